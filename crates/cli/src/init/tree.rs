//! What a tree of an engine holds: its modules, its version, and what must not be packed.

use super::{InitError, composer::Composer, split::Part};
use release::Engine;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file that an engine's tree has, and another tree has not: one of them has to be there.
pub(super) const fn marks(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Magento1 => &["app/Mage.php"],
        Engine::Magento2 => &["bin/magento", "app/bootstrap.php"],
        Engine::Php => &[
            "index.php",
            "public/index.php",
            "pub/index.php",
            "web/index.php",
        ],
    }
}

/// Names at the top that no release needs: development's, the host's and people's.
const ASIDE: [&str; 16] = [
    "dev",
    "tests",
    "test",
    "cypress",
    "docker",
    "node_modules",
    "downloader",
    "auth.json",
    "docker-compose.yml",
    "phpunit.xml.dist",
    "phpunit.xml",
    "mkdocs.yml",
    "Gruntfile.js",
    "package-lock.json",
    "Vagrantfile",
    "longshore.toml",
];
/// Names at the top that start with a dot and that an application may read.
const DOTTED: [&str; 3] = [".htaccess", ".user.ini", ".well-known"];
/// Endings of files that hold what is nobody's business.
const PRIVATE: [&str; 6] = [".key", ".pem", ".p12", ".sql", ".sql.gz", ".sql.zst"];
/// Endings of files that are ours, and lie beside sources.
const OURS: [&str; 2] = [".pub", ".root.json"];

/// What of the top is left out, and what of that holds secrets.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Paths that are left out.
    pub exclude: Vec<String>,
    /// Those of them that hold secrets.
    pub secrets: Vec<String>,
}

/// Looks at the names at the top, and at the engine's own configuration.
///
/// # Errors
///
/// If the directory cannot be read.
pub(super) fn aside(tree: &Path, engine: Engine) -> Result<Aside, InitError> {
    let mut found = Aside {
        exclude: vec![".git".to_owned(), "longshore.toml".to_owned()],
        secrets: Vec::new(),
    };
    let mut names: Vec<String> = names(tree)?;
    names.sort_unstable();
    for name in names {
        let lower = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        let secret = lower == "auth.json" || lower.starts_with(".env") || ends(&PRIVATE);
        let dotted = name.starts_with('.') && !DOTTED.contains(&name.as_str());
        // A name with characters of a pattern could leave out more than itself.
        if !(secret || dotted || ends(&OURS) || ASIDE.contains(&name.as_str()))
            || name.contains(['*', '?', '[', ']', '{', '}', '\\'])
        {
            continue;
        }
        if secret {
            found.secrets.push(name.clone());
        }
        if !found.exclude.contains(&name) {
            found.exclude.push(name);
        }
    }
    found.secrets.extend(
        engine
            .configured()
            .iter()
            .filter(|path| tree.join(path).exists())
            .map(|path| (*path).to_owned()),
    );
    Ok(found)
}

/// Modules in code pools: directories that say by a file of theirs that they are one.
///
/// # Errors
///
/// If a directory cannot be read.
pub(super) fn code(tree: &Path, engine: Engine) -> Result<Vec<Part>, InitError> {
    let (pools, mark): (&[(&str, &str)], &str) = match engine {
        Engine::Magento1 => (
            &[
                ("app/code/community", "community"),
                ("app/code/local", "local"),
            ],
            "etc/config.xml",
        ),
        Engine::Magento2 => (&[("app/code", "code")], "registration.php"),
        Engine::Php => return Ok(Vec::new()),
    };
    let mut parts = Vec::new();
    for (pool, label) in pools {
        for vendor in names(&tree.join(pool))? {
            for module in names(&tree.join(pool).join(&vendor))? {
                let path = format!("{pool}/{vendor}/{module}");
                let directory = tree.join(&path);
                if !directory.join(mark).is_file() {
                    continue;
                }
                let version = match engine {
                    Engine::Magento1 => between(&directory.join(mark), "<version>", "</version>"),
                    _ => between(&directory.join("etc/module.xml"), "setup_version=\"", "\"")
                        .or_else(|| {
                            between(&directory.join("composer.json"), "\"version\": \"", "\"")
                        }),
                };
                let path = path.parse().ok();
                parts.extend(path.and_then(|path| {
                    Part::new(
                        &format!("{label}/{vendor}/{module}"),
                        version.as_deref().unwrap_or("0"),
                        path,
                    )
                }));
            }
        }
    }
    Ok(parts)
}

/// The version of the application itself, as far as the tree says one.
pub(super) fn version(tree: &Path, engine: Engine, composer: &Composer) -> String {
    let own = match engine {
        Engine::Magento1 => {
            let source = fs::read_to_string(tree.join("app/Mage.php")).unwrap_or_default();
            // OpenMage says the version of Magento, too, from which it began.
            let source = source
                .split_once("function getOpenMageVersionInfo")
                .map_or(source.as_str(), |(_, own)| own);
            let part = |name: &str| assigned(source, name);
            part("major")
                .zip(part("minor"))
                .zip(part("patch"))
                .map(|((major, minor), patch)| format!("{major}.{minor}.{patch}"))
        }
        Engine::Magento2 => composer
            .version_of(&[
                "magento/product-enterprise-edition",
                "magento/product-community-edition",
                "mage-os/product-community-edition",
                "magento/magento2-base",
            ])
            .map(str::to_owned),
        Engine::Php => None,
    };
    own.or_else(|| composer.version.clone())
        .unwrap_or_else(|| "0".to_owned())
}

/// What has to be done before the tree is packed, or will be missed afterwards.
pub(super) fn warnings(tree: &Path, engine: Engine, composer: &Composer) -> Vec<String> {
    let mut warnings = Vec::new();
    let has = |path: &str| tree.join(path).exists();
    if !composer.dev.is_empty() {
        let some: Vec<_> = composer.dev.iter().take(3).map(String::as_str).collect();
        let more = if composer.dev.len() > some.len() {
            ", …"
        } else {
            ""
        };
        let count = composer.dev.len();
        warnings.push(format!(
            "{count} packages for development are installed ({}{more}): run `composer install \
             --no-dev` before packing",
            some.join(", ")
        ));
    }
    if has("composer.json") && !has("vendor/autoload.php") {
        warnings.push(
            "composer.json is there and vendor/autoload.php is not: run `composer install \
             --no-dev` before packing"
                .to_owned(),
        );
    }
    if engine == Engine::Magento2 {
        for (path, what) in [
            (
                "generated/metadata/global.php",
                "bin/magento setup:di:compile",
            ),
            (
                "pub/static/deployed_version.txt",
                "bin/magento setup:static-content:deploy",
            ),
        ] {
            if !has(path) {
                warnings.push(format!(
                    "{path} is missing: run `{what}` before packing, as pods cannot write there"
                ));
            }
        }
    }
    for name in [
        "wp-config.php",
        "configuration.php",
        "LocalSettings.php",
        "config/config.inc.php",
        "sites/default/settings.php",
    ] {
        if engine == Engine::Php && has(name) {
            warnings.push(format!(
                "{name} is packed: whoever reads the bucket reads the passwords in it; let it \
                 read the shop's Secret, or list it as `shared`"
            ));
        }
    }
    warnings
}

/// The value of a key of an array in PHP, such as `'major' => '20'`; the same text is elsewhere,
/// too, as `$info['major']`.
fn assigned(source: &str, key: &str) -> Option<String> {
    let key = format!("'{key}'");
    let mut places = source
        .split(&key)
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix("=>"));
    let value = places
        .next()?
        .trim_start()
        .strip_prefix('\'')?
        .split_once('\'')?
        .0;
    (!value.is_empty() && value.len() <= 16).then(|| value.to_owned())
}

/// The text between two others in a file, at their first place; nothing if there is none, or no
/// such file.
fn between(path: &Path, before: &str, after: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.split_once(before)?.1;
    rest.split_once(after)
        .map(|(found, _)| found.trim().to_owned())
        .filter(|found| !found.is_empty() && found.len() < 128)
}

/// The names in a directory that are UTF-8, in their order; none if there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>, InitError> {
    let failed = |source| InitError::Read {
        path: PathBuf::from(directory),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}
