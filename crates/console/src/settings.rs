//! What the program is told about logins.

use crate::{
    address::Origin,
    login::{Login, claims::Mapping, provider::Client},
    session::Keys,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How people come.
pub(crate) enum Mode {
    /// One person, on this machine, as the kubeconfig says.
    Laptop,
    /// Many people, who log in.
    Login(Box<Login>, Origin, Arc<Keys>),
}

/// In the cluster, for many people.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "In the cluster, for many people")]
pub(crate) struct LoginArguments {
    /// Address that people open, over https. None: a laptop's, for one person
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_URL",
        requires_all = ["oidc_issuer", "oidc_client_id", "cookie_key_file"]
    )]
    pub(crate) url: Option<Origin>,
    /// Address where pages are served then, by HTTP
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9813"
    )]
    pub(crate) listen: SocketAddr,
    /// OpenID Connect provider, as its tokens name it
    #[arg(long, env = "LONGSHORE_CONSOLE_OIDC_ISSUER", value_name = "URL", value_parser = issuer)]
    oidc_issuer: Option<String>,
    /// The client that the provider knows
    #[arg(long, env = "LONGSHORE_CONSOLE_OIDC_CLIENT_ID", value_name = "ID")]
    oidc_client_id: Option<String>,
    /// File with the secret of the client. None: a public client
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    oidc_client_secret_file: Option<PathBuf>,
    /// File with further roots by which the provider is trusted
    #[arg(long, env = "LONGSHORE_CONSOLE_OIDC_CA_FILE", value_name = "FILE")]
    oidc_ca_file: Option<PathBuf>,
    /// Scopes that are asked for, with commas
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_SCOPES",
        value_delimiter = ',',
        default_value = "openid,profile,email"
    )]
    oidc_scopes: Vec<String>,
    /// Claim that is the user's name
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_USER_CLAIM",
        value_name = "CLAIM",
        default_value = "sub"
    )]
    oidc_user_claim: String,
    /// Claim with the user's groups
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_GROUPS_CLAIM",
        value_name = "CLAIM",
        default_value = "groups"
    )]
    oidc_groups_claim: String,
    /// What stands before the user's name in Kubernetes
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_USER_PREFIX",
        value_name = "TEXT",
        default_value = "oidc:"
    )]
    oidc_user_prefix: String,
    /// What stands before each group in Kubernetes
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_OIDC_GROUPS_PREFIX",
        value_name = "TEXT",
        default_value = "oidc:"
    )]
    oidc_groups_prefix: String,
    /// File with the keys of cookies, one a line: 32 bytes in base64. The first one writes
    #[arg(long, env = "LONGSHORE_CONSOLE_COOKIE_KEY_FILE", value_name = "FILE")]
    cookie_key_file: Option<PathBuf>,
}

/// A file that a setting names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: the file {} cannot be used: {why}", path.display())]
pub(crate) struct FileError {
    setting: &'static str,
    path: PathBuf,
    why: String,
}

fn issuer(text: &str) -> Result<String, String> {
    if text.starts_with("https://") && !text.contains(['?', '#']) {
        Ok(text.to_owned())
    } else {
        Err("expected an https URL, such as https://login.example/realms/shops".to_owned())
    }
}

impl LoginArguments {
    /// How people come: with an address, they log in.
    ///
    /// # Errors
    ///
    /// If a file cannot be used.
    pub(crate) fn mode(self) -> Result<Mode, FileError> {
        // Of those that an address requires, the parser lets none be missing.
        let (Some(url), Some(issuer), Some(id), Some(keys)) = (
            self.url,
            self.oidc_issuer,
            self.oidc_client_id,
            self.cookie_key_file,
        ) else {
            return Ok(Mode::Laptop);
        };
        let failed = |setting, path: &Path, why| FileError {
            setting,
            path: path.to_owned(),
            why,
        };
        let read = |setting, path: &Path| {
            let text = fs::read_to_string(path);
            text.map_err(|error| failed(setting, path, error.to_string()))
        };
        let setting = "LONGSHORE_CONSOLE_COOKIE_KEY_FILE";
        let sealing = Keys::read(&read(setting, &keys)?);
        let sealing = Arc::new(sealing.map_err(|why| failed(setting, &keys, why))?);
        let secret = self.oidc_client_secret_file.as_deref();
        let secret = secret.map(|path| read("LONGSHORE_CONSOLE_OIDC_CLIENT_SECRET_FILE", path));
        let client = Client {
            issuer,
            id,
            secret: secret.transpose()?.map(|text| text.trim_end().to_owned()),
            scopes: self.oidc_scopes,
        };
        let mapping = Mapping {
            user: self.oidc_user_claim,
            groups: self.oidc_groups_claim,
            user_prefix: self.oidc_user_prefix,
            groups_prefix: self.oidc_groups_prefix,
        };
        let authority = self.oidc_ca_file.as_deref();
        let login = Login::new(
            url.clone(),
            Arc::clone(&sealing),
            mapping,
            client,
            authority,
        );
        let login = login.map_err(|why| {
            let path = authority.unwrap_or(Path::new("of the system"));
            failed("LONGSHORE_CONSOLE_OIDC_CA_FILE", path, why)
        })?;
        Ok(Mode::Login(Box::new(login), url, sealing))
    }
}
