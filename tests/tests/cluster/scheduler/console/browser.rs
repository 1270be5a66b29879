//! A browser without scripts, as text: it follows links and sends forms by what stands on them, and
//! counts the clicks.

use e2e::{cluster::Cluster, process::Program};
use std::{collections::BTreeMap, path::PathBuf};

/// A person's browser.
pub(super) struct Browser<'a> {
    cluster: &'a Cluster,
    base: String,
    jar: PathBuf,
    /// What else curl is told, such as whom it trusts.
    more: Vec<String>,
    /// The path of the page that is open.
    pub(super) path: String,
    /// The page that is open.
    pub(super) page: String,
    /// Its status.
    pub(super) code: u16,
    /// Links and buttons that were clicked.
    pub(super) clicks: usize,
}

impl<'a> Browser<'a> {
    /// Opens the address that the console printed.
    pub(super) fn open(cluster: &'a Cluster, address: &str, jar: PathBuf) -> Self {
        let base = address.split("/login").next().unwrap();
        let mut browser = Self::new(cluster, base, jar, Vec::new());
        browser.visit(address.strip_prefix(base).unwrap());
        browser
    }

    /// One that has opened nothing.
    pub(super) fn new(cluster: &'a Cluster, base: &str, jar: PathBuf, more: Vec<String>) -> Self {
        Self {
            cluster,
            jar,
            more,
            path: String::new(),
            page: String::new(),
            code: 0,
            clicks: 0,
            base: base.to_owned(),
        }
    }

    fn curl(&self) -> Program {
        let jar = self.jar.display().to_string();
        self.cluster
            .program("curl")
            .args(["--silent", "--show-error", "--location", "--max-time", "60"])
            .args(["--cookie", &jar, "--cookie-jar", &jar])
            .args(&self.more)
            .args(["--write-out", "\n%{http_code} %{url_effective}"])
    }

    fn ask(&mut self, curl: Program) {
        let answer = curl.run().expect(0).stdout;
        let (page, last) = answer.rsplit_once('\n').unwrap();
        let (code, address) = last.split_once(' ').unwrap();
        self.code = code.parse().unwrap();
        // Elsewhere, the whole address.
        let path = address.strip_prefix(&self.base).unwrap_or(address);
        path.clone_into(&mut self.path);
        page.clone_into(&mut self.page);
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        }
    }

    /// Opens a path, as by a bookmark.
    pub(super) fn visit(&mut self, path: &str) {
        let curl = self.curl().arg(self.address(path));
        self.ask(curl);
    }

    /// Sends this header with everything.
    pub(super) fn header(&mut self, header: &str) {
        self.more.extend(["--header".to_owned(), header.to_owned()]);
    }

    /// What the forms of the page bear.
    #[track_caller]
    pub(super) fn token(&self) -> String {
        let (_, rest) = self.page.split_once("name=\"token\"").unwrap();
        attributes(rest)["value"].clone()
    }

    /// Sends a form that no page has.
    pub(super) fn post(&mut self, path: &str, fields: &[(&str, &str)]) {
        let origin = format!("Origin: {}", self.base);
        let mut curl = self.curl().args(["--header", &origin]);
        for (name, value) in fields {
            curl = curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let curl = curl.arg(self.address(path));
        self.ask(curl);
    }

    /// Loads the page again.
    pub(super) fn reload(&mut self) {
        let path = self.path.clone();
        self.visit(&path);
    }

    /// Whether a link or a button of this text is on the page.
    pub(super) fn offers(&self, text: &str) -> bool {
        self.page.contains(&format!(">{text}</a>"))
            || self.page.contains(&format!(">{text}</button>"))
    }

    /// Follows the link of this text.
    #[track_caller]
    pub(super) fn click(&mut self, text: &str) {
        let before = self.page.split(&format!(">{text}</a>")).next().unwrap();
        assert!(
            before.len() < self.page.len(),
            "no link {text:?}: {}",
            self.page
        );
        let tag = &before[before.rfind("<a ").unwrap()..];
        let path = attributes(tag)["href"]
            .split('#')
            .next()
            .unwrap()
            .to_owned();
        self.clicks += 1;
        self.visit(&path);
    }

    /// Fills in the form that has the button of this text, and sends it.
    #[track_caller]
    pub(super) fn submit(&mut self, button: &str, fill: &[(&str, &str)]) {
        let curl = self.form(button, fill);
        self.clicks += 1;
        self.ask(curl);
    }

    /// What sends the form that has the button of this text, filled in.
    #[track_caller]
    pub(super) fn form(&self, button: &str, fill: &[(&str, &str)]) -> Program {
        let forms = self.page.split("<form").skip(1);
        let mut forms = forms.map(|form| form.split("</form>").next().unwrap());
        let label = format!(">{button}</button>");
        let form = forms
            .find(|form| form.contains(&label))
            .unwrap_or_else(|| panic!("no button {button:?}: {}", self.page));
        let mut fields = fields(form);
        let before = form.split(&label).next().unwrap();
        let tag = attributes(&before[before.rfind("<button").unwrap()..]);
        if let (Some(name), Some(value)) = (tag.get("name"), tag.get("value")) {
            fields.push((name.clone(), value.clone()));
        }
        for (name, value) in fill {
            assert!(
                form.contains(&format!("name=\"{name}\"")),
                "no field {name}: {form}"
            );
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let action = attributes(form)["action"].clone();
        let action = self.address(&action);
        let origin = action.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let mut curl = self.curl().args(["--header", &format!("Origin: {origin}")]);
        for (name, value) in fields {
            curl = curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        curl.arg(action)
    }
}

/// What a form sends if nobody touches it.
fn fields(form: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for tag in form.split('<').skip(1) {
        let of = attributes(tag);
        let Some(name) = of.get("name").cloned() else {
            continue;
        };
        let text = || tag.split_once('>').map_or("", |(_, text)| text);
        if tag.starts_with("input") {
            let chosen = matches!(
                of.get("type").map(String::as_str),
                Some("radio" | "checkbox")
            );
            if !chosen || of.contains_key("checked") {
                fields.push((name, of.get("value").cloned().unwrap_or_default()));
            }
        } else if tag.starts_with("textarea") {
            let text = text().strip_prefix('\n').unwrap_or_else(text);
            fields.push((name, unescaped(text)));
        } else if tag.starts_with("select") {
            let rest = form.split(&format!("<{tag}")).nth(1).unwrap_or_default();
            let options: Vec<_> = rest
                .split("</select>")
                .next()
                .unwrap_or_default()
                .split("<option")
                .skip(1)
                .map(attributes)
                .collect();
            let chosen = options.iter().find(|of| of.contains_key("selected"));
            let value = chosen.or(options.first()).and_then(|of| of.get("value"));
            fields.push((name, value.cloned().unwrap_or_default()));
        }
    }
    fields
}

/// The attributes of a tag; one without a value has an empty one.
fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag.split('>').next().unwrap_or_default();
    while let Some((before, after)) = rest.split_once("=\"") {
        let words: Vec<_> = before.split_whitespace().collect();
        let (value, more) = after.split_once('"').unwrap_or((after, ""));
        let (name, flags) = words.split_last().unwrap_or((&"", &[]));
        found.extend(flags.iter().map(|flag| ((*flag).to_owned(), String::new())));
        found.insert((*name).to_owned(), unescaped(value));
        rest = more;
    }
    let flags = rest.split_whitespace();
    found.extend(flags.map(|flag| (flag.to_owned(), String::new())));
    found
}

fn unescaped(text: &str) -> String {
    [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
