//! A real store that speaks S3 for one test: SeaweedFS, with a bucket of usher's that is made with object lock.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::http::Request;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use serde_json::json;

use crate::servers::{Server, free_port, program};

/// The access key, and its secret.
pub const KEY: (&str, &str) = ("usher", "secret-of-usher");
pub const BUCKET: &str = "archives";

pub struct Weed {
    server: Server,
    pub folder: tempfile::TempDir,
}

impl Weed {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        std::fs::create_dir(at.join("data")).expect("a folder");
        std::fs::write(at.join("password"), KEY.1).expect("writes");
        let identity = json!({ "name": "usher", "credentials": [{ "accessKey": KEY.0, "secretKey": KEY.1 }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"] });
        std::fs::write(at.join("s3.json"), json!({ "identities": [identity] }).to_string()).expect("writes");
        let server = Server::start(&at.join("weed.log"), |port| command(at, port)).await;
        let weed = Self { server, folder };
        let until = Instant::now() + Duration::from_secs(60);
        while weed.make_bucket().await != 200 {
            assert!(
                Instant::now() < until,
                "{}",
                std::fs::read_to_string(weed.folder.path().join("weed.log")).unwrap()
            );
            usher::clock::pause(Duration::from_millis(100)).await;
        }
        weed
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    pub const fn port(&self) -> u16 {
        self.server.port
    }

    async fn make_bucket(&self) -> u16 {
        self.ask("PUT", BUCKET, &[("x-amz-bucket-object-lock-enabled", "true")]).await.0
    }

    /// One signed request, past usher: the status, the headers, and the body.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let url = format!("{}/{path}", self.url());
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Vec::new().into()).expect("a request");
        let credential = AwsCredential { key_id: KEY.0.into(), secret_key: KEY.1.into(), token: None };
        AwsAuthorizer::new(&credential, "s3", "us-east-1").try_authorize(&mut request, None).expect("signs");
        let client =
            usher::outbound::client(None, Duration::from_secs(20)).expect("a client").build().expect("a client");
        let sent = client.request(method.parse().expect("a method"), &url).headers(request.headers().clone());
        let Ok(answer) = sent.send().await else { return (0, String::new()) };
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        (status, headers + &answer.text().await.unwrap_or_default())
    }
}

fn command(at: &Path, port: u16) -> Command {
    let mut command = Command::new(program("weed"));
    command.current_dir(at).arg("-logtostderr=true").arg("server").arg(format!("-dir={}", at.join("data").display()));
    command.args([
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-volume.max=20",
        "-master.volumeSizeLimitMB=64",
        "-filer",
        "-s3",
    ]);
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]);
    command.arg(format!("-s3.port={port}")).arg(format!("-s3.config={}", at.join("s3.json").display()));
    for name in ["master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc"] {
        let option = match name.split_once('.') {
            Some((server, grpc)) => format!("-{server}.port.{grpc}={}", free_port()),
            None => format!("-{name}.port={}", free_port()),
        };
        command.arg(option);
    }
    command
}
