//! SCIM: the suite and a story against a real server, and a product of many habits for what that one does not show.

mod habits;
mod line;
mod product;
mod server;
mod story;
mod target;

use std::path::Path;

use usher::config::{Config, Surroundings};
use usher::connectors::Connector;

/// What both servers believe.
pub const TOKEN: &str = "scim-t0ken-7f";

/// The configuration's connector called `app`, to a server on this machine.
fn connector(folder: &Path, port: u16, more: &str) -> Connector {
    connector_at(folder, &format!("http://127.0.0.1:{port}/v2"), more)
}

/// The same, somewhere else.
fn connector_at(folder: &Path, url: &str, more: &str) -> Connector {
    std::fs::write(folder.join("token"), TOKEN).expect("a file");
    let login = if more.contains("user =") { "" } else { "token = { file = \"token\" }\n" };
    let text =
        format!("[systems.app]\nkind = \"scim\"\nurl = \"{url}\"\nnetworks = [\"127.0.0.0/8\"]\n{login}{more}\n");
    std::fs::write(folder.join("usher.toml"), text).expect("a file");
    let around = Surroundings { folder: folder.to_owned(), ..Surroundings::default() };
    let config = Config::load(&[], None, &around).unwrap_or_else(|why| panic!("{why}"));
    usher::daemon::open_systems(&config).expect("systems").remove("app").expect("app")
}
