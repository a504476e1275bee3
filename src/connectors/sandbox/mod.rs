//! THE SANDBOX. A simulated company on several simulated systems: the demo's stage, and the oracle of the fault tests.
//!
//! The company is described in one TOML file ([`Company`]); what happens to it is written into one ledger beside it.
//! Description + ledger = state, so it survives every kill, and several processes may share it. The systems behave
//! as real ones do where it matters: a disabled account keeps its open sessions and goes on receiving mail, a
//! password cannot be read back, deleted accounts can be restored until they are purged, ids never come twice. The
//! [`Knobs`] make them slow, busy, cut off in mid-request, or liars.
//!
//! Read in this order: `company`, `account`, `state`, `ledger`, `change/`, `house`, `system`, `people`.

mod account;
mod capability;
mod change;
mod company;
mod crowd;
mod digest;
mod error;
mod house;
mod knobs;
mod ledger;
mod people;
mod request;
pub mod shipped;
mod size;
mod snapshot;
mod state;
mod system;
#[cfg(test)]
mod tests;

pub use account::*;
pub use change::{Delivery, Reply};
pub use company::{AccountSpec, Company, Holder, SystemSpec};
pub use crowd::Crowd;
pub use error::SandboxError;
pub use house::SandboxCompany;
pub use knobs::Knobs;
pub use ledger::Entry;
pub use people::GOVERNING;
pub use snapshot::{Difference, Snapshot};
pub use system::SandboxSystem;
