//! Calendars, address books and files, against real servers: Radicale and WsgiDAV.

mod radicale;
pub mod wsgidav;

use self::radicale::Radicale;
use self::wsgidav::WsgiDav;

/// A client past the connector.
fn client() -> reqwest::Client {
    let builder = usher::outbound::client(None, std::time::Duration::from_secs(10)).expect("a client");
    builder.build().expect("a client")
}

#[tokio::test]
async fn both_servers_know_who_may_see_other_peoples_collections() {
    let (radicale, wsgidav) = (Radicale::start().await, WsgiDav::start().await);
    assert!(radicale.root().join("jdoe").is_dir() && wsgidav.root("jdoe").is_dir());
    for (url, admin) in [(radicale.url("jdoe/"), radicale::USHER), (wsgidav.url("files/jdoe/"), wsgidav::USHER)] {
        let status = async |(user, password): (&str, &str)| {
            let request = client().request("PROPFIND".parse().expect("a method"), &url);
            request.header("depth", "0").basic_auth(user, Some(password)).send().await.expect("an answer").status()
        };
        assert_eq!(status(admin).await, 207, "{url}");
        assert_ne!(status(("boss", "bosspass")).await, 207, "{url}");
    }
}
