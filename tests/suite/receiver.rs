//! A receiver of webhooks, as somebody else would write one from the Standard Webhooks specification: it believes nothing
//! that is not signed, or is older than five minutes, and knows what it has seen by the id.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls::TlsListener;

pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What the receiver does with the next message.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Status(u16),
    /// Takes it, and never says so.
    Hang,
    /// Sends it on to `/elsewhere`.
    Redirect,
}

/// A message that came, with its signature found right or wrong.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub seconds: i64,
    pub genuine: bool,
    pub body: Value,
    pub agent: String,
}

#[derive(Default)]
struct Orders {
    answers: VecDeque<Answer>,
    received: Vec<Received>,
    elsewhere: usize,
}

#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    scheme: &'static str,
    orders: Arc<Mutex<Orders>>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::listen("http", |listener| listener).await
    }

    /// One that speaks TLS and nothing else.
    pub async fn over_tls(acceptor: TlsAcceptor) -> Self {
        Self::listen("https", |listener| TlsListener { listener, acceptor }).await
    }

    async fn listen<L: Listener<Addr = SocketAddr>>(scheme: &'static str, on: impl FnOnce(TcpListener) -> L) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let orders: Arc<Mutex<Orders>> = Arc::default();
        let routes = Router::new()
            .route("/hook", post(take))
            .route("/elsewhere", post(elsewhere))
            .with_state(Arc::clone(&orders));
        let listener = on(listener);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, scheme, orders }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/hook", self.scheme, self.port)
    }

    pub fn answer_next(&self, answer: Answer) {
        self.orders.lock().unwrap().answers.push_back(answer);
    }

    pub fn received(&self) -> Vec<Received> {
        self.orders.lock().unwrap().received.clone()
    }

    /// How many messages followed a redirect.
    pub fn elsewhere(&self) -> usize {
        self.orders.lock().unwrap().elsewhere
    }
}

async fn elsewhere(State(orders): State<Arc<Mutex<Orders>>>) -> StatusCode {
    orders.lock().unwrap().elsewhere += 1;
    StatusCode::OK
}

async fn take(State(orders): State<Arc<Mutex<Orders>>>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut orders = orders.lock().unwrap();
        orders.received.push(read(&headers, &body));
        orders.answers.pop_front().unwrap_or(Answer::Status(204))
    };
    match answer {
        Answer::Status(code) => StatusCode::from_u16(code).expect("a status").into_response(),
        Answer::Hang => {
            usher::clock::pause(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        Answer::Redirect => {
            let to = HeaderValue::from_static("/elsewhere");
            (StatusCode::TEMPORARY_REDIRECT, [(axum::http::header::LOCATION, to)]).into_response()
        }
    }
}

fn read(headers: &HeaderMap, body: &[u8]) -> Received {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(&SECRET[6..]).unwrap()).unwrap();
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat());
    let genuine = header("webhook-signature")
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|one| STANDARD.decode(one).ok())
        .any(|one| mac.clone().verify_slice(&one).is_ok());
    Received {
        genuine: genuine && header("content-type") == "application/json",
        seconds: timestamp.parse().unwrap_or_default(),
        body: serde_json::from_slice(body).unwrap_or_default(),
        agent: header("user-agent"),
        id,
    }
}
