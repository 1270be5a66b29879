//! An HAProxy that has more to do than it can, however little is asked of it.

use std::{fs, io, path::Path};

/// HAProxy takes turns between visitors and a script that never ends. It begins when visitors have
/// connected, which would take them long afterwards.
const CONFIGURATION: &str = r#"global
    nbthread 1
    tune.lua.forced-yield 100000
    lua-load "$EDGE_RUN/overload.lua"
"#;
const SCRIPT: &str = "core.register_task(function() core.sleep(10) while true do end end)";

/// Writes the part of HAProxy's configuration that overloads it, or an empty one.
pub(super) fn write(run: &Path, overloaded: bool) -> io::Result<()> {
    fs::write(run.join("overload.lua"), SCRIPT)?;
    let configuration = if overloaded { CONFIGURATION } else { "" };
    fs::write(run.join("overload.cfg"), configuration)
}
