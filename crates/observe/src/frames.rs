//! Who called whom when an error happened: the topmost names of a trace.

use crate::values::name;

/// Frames that count.
pub(crate) const FRAMES: usize = 5;
/// Bytes of a name.
const NAME: usize = 200;

/// The topmost `Class::method` of the first trace in `text`, as PHP writes it, Magento, or php-fpm.
/// What Magento generates between two methods is left out, as are closures: both have other names,
/// or are not there, in another release.
pub(crate) fn frames(text: &str) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    let mut expected = 0;
    for line in text.lines() {
        let line = line.trim_start();
        let Some((number, call)) = call(line) else {
            continue;
        };
        if number.is_some_and(|number| number < expected) || frames.len() == FRAMES {
            break;
        }
        expected = number.unwrap_or_default();
        let end = call.find(['(', ' ']).unwrap_or(call.len());
        let found = name(&call[..end]);
        let generated = found.ends_with("::___callPlugins") || found.ends_with("::___callParent");
        let found = &found[..found.floor_char_boundary(NAME)];
        let repeated = frames.last().is_some_and(|last| last == found);
        if !found.is_empty()
            && !found.contains("{closure")
            && !generated
            && !repeated
            && found != "{main}"
        {
            frames.push(found.to_owned());
        }
    }
    frames
}

// `#3 /a.php(12): call(…)`, `#3 [internal function]: call(…)`, `#3 call(…) called at [/a.php:12]`,
// `[0x00007f0000000000] call() /a.php:12`.
fn call(line: &str) -> Option<(Option<u32>, &str)> {
    if let Some(rest) = line.strip_prefix("[0x") {
        return Some((None, rest.split_once("] ")?.1));
    }
    let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
    let number = number.parse().ok()?;
    let call = if rest.starts_with("[internal function]: ") {
        rest.split_once(": ")?.1
    } else {
        let placed = rest.split_once("): ").filter(|(place, _)| {
            // A place has a line: `/a.php(12`.
            place.rsplit_once('(').is_some_and(|(_, line)| {
                !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        placed.map_or(rest, |(_, call)| call)
    };
    Some((Some(number), call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_calls_of_each_kind_of_trace() {
        let php = "PHP Fatal error:  x\nStack trace:\n#0 [internal function]: a('(', 1)\n#1 \
                   /r/1/b (c).php(3): Foo\\Bar\\Interceptor->___callPlugins('x', Array)\n#2 \
                   /r/b.php(3): Foo\\Bar\\Interceptor->save()\n#3 /r/b.php(4): \
                   Foo\\Bar->save()\n#4 /r/c.php(5): {closure}()\n#5 /r/c.php(5): \
                   Foo\\{closure:/r/c.php:7}(1)\n#6 /r/c.php(5): \
                   class@anonymous\\u{0}/r/c.php:7$0->run()\n#7 {main}\n\nNext X: y\n#0 z()";
        assert_eq!(frames(php), ["a", "Foo\\Bar::save", "class@anonymous::run"]);
        let magento = "#1 Foo->bar() called at [vendor/a.php:12]\n#2 baz() called at [b.php:1]";
        assert_eq!(frames(magento), ["Foo::bar", "baz"]);
        let slow = "[01-Dec-2026 03:00:00]  [pool shop] pid 7\n[0x00007f12] sleep() \
                    /a.php:3\n[0x00007f13] Foo->bar() /a.php:4";
        assert_eq!(frames(slow), ["sleep", "Foo::bar"]);
        assert!(frames("no trace\n#x y\n# z\n#1\n").is_empty());
    }

    #[test]
    fn of_a_long_trace_the_top_counts() {
        let long: String = (0..100)
            .map(|number| format!("#{number} /a.php(1): f{number}()"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(frames(&long), ["f0", "f1", "f2", "f3", "f4"]);
    }
}
