//! Alerts from outside: what is open, and whether anybody would hear of it.

use serde_json::json;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::house::House;
use super::{said, usher};

#[test]
fn a_test_reaches_the_administrators_and_says_what_the_webhook_answered() {
    let house = House::with_people();
    house.run(&["alerts", "list"]).ends(0).says("Nothing is wrong");
    assert_eq!(house.json(&["alerts", "list"]), json!([]));
    house.run(&["alerts", "test"]).ends(0).shows("told by mail: helene.bonvin@alpine-instruments.example");
    // Nobody listens there, and the secret is not to be had.
    let toml = house.read("usher.toml");
    let with = format!(
        "{toml}\n[alerts.webhook]\nurl = \"http://127.0.0.1:9/a-secret-path\"\nsecret = {{ env = \"HOOK\" }}\n"
    );
    house.write("usher.toml", with);
    house
        .run(&["alerts", "test"])
        .ends(5)
        .shows("NOT told by webhook: http://127.0.0.1:9: the environment variable HOOK is not set");
    house.run(&["doctor"]).ends(1).shows("the environment variable HOOK is not set").shows("none is overdue");
    // Nobody at all.
    let none = toml.replace("administrators = [\"helene.bonvin@alpine-instruments.example\"]", "");
    house.write("usher.toml", none);
    house.run(&["alerts", "test"]).ends(4).says("nobody is told of anything").says("[alerts.webhook]");
}

/// Answers one request, and says which line it began with.
fn answers_once(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut first).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        first
    })
}

/// The environment of a service may name a proxy; what is told is nothing for it.
#[test]
fn the_webhook_asks_no_proxy() {
    let house = House::with_people();
    let (proxy, here) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (through, to) = (proxy.local_addr().unwrap(), here.local_addr().unwrap());
    proxy.set_nonblocking(true).unwrap();
    let toml = house.read("usher.toml");
    let hook = format!("[alerts.webhook]\nurl = \"http://{to}/hook\"\nsecret = {{ env = \"HOOK\" }}\n");
    house.write("usher.toml", format!("{toml}\n{hook}"));
    let answered = answers_once(here);
    let mut command = usher(&house.path(""));
    command.env("HOOK", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").env("http_proxy", format!("http://{through}"));
    command.env("ALL_PROXY", format!("http://{through}")).args(["alerts", "test"]);
    let (code, out, err) = said(&mut command);
    assert!(proxy.accept().is_err(), "the proxy was asked");
    assert!(code == 0 && out.contains("HTTP 204"), "{code} {out} {err}");
    assert_eq!(answered.join().unwrap(), "POST /hook HTTP/1.1\r\n");
}
