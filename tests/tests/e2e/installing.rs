//! `tests/tools/tools`, which installs what is not Rust. Stages of CI run it beside each other for
//! one directory, where two once wrote a file of one name.

use std::{fs, path::Path};

#[test]
fn a_program_has_its_name_once_it_is_whole() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    let text = ["tools", "go.sh"].map(|name| fs::read_to_string(tools.join(name)).unwrap());
    let writes = |line: &&str| {
        let copies = ["mv ", "cp ", "install ", "tee "];
        let command = line.trim_start();
        line.contains(">\"$bin/")
            || line.contains("\"$bin/") && copies.iter().any(|copy| command.starts_with(copy))
    };
    let lines = text.iter().flat_map(|text| text.lines());
    let found: Vec<&str> = lines.filter(writes).collect();
    // `ln` makes a link of another name and renames it, as `script` does with what it writes.
    assert_eq!(found, [r#"  mv -f "$new" "$bin/$name""#]);
}
