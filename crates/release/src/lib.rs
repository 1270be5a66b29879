//! The pure half of Longshore.
mod digest;
mod manifest;
mod name;
mod path;
mod reason;

pub use digest::{DigestError, Sha256};
pub use manifest::{Chunk, Manifest, Migration, Module, Php, Writable};
pub use name::{ChannelName, ModuleName, NameError, Sequence, Version};
pub use path::{DEPTH_LIMIT, NAME_LIMIT, PATH_LIMIT, PathError, RelativePath};
pub use reason::{Reason, Trouble};
