//! php-fpm and the shop's pages, as an agent beside them sees them.
//!
//! ```text
//!  Pool ──FastCGI──► php-fpm    compile the new tree's scripts, ask which are used most,
//!                               forget an old tree's, rehearse a page
//!  Probe ──HTTP────► nginx ──► php-fpm    does the shop answer?
//!  Reload ──SIGUSR2► php-fpm's master
//! ```
//!
//! PHP's part is in `opcache.php`, which [`Pool::install`] puts where php-fpm can read it. It
//! answers only requests with the FastCGI parameter `LONGSHORE_CALL`. A web server passes headers
//! as `HTTP_…`, so no visitor can send this parameter.

mod answer;
mod call;
mod expect;
mod opcache;
mod pool;
mod probe;
mod reload;
mod said;
mod visit;
mod visitor;
mod workers;

pub use expect::{Expect, Statuses};
pub use opcache::{Rehearsed, Warmed};
pub use pool::{Address, PhpError, Pool};
pub use probe::{Probe, Problem, Url};
pub use reload::{Reload, ReloadError};
pub use visitor::{Parameters, Scheme};
