//! One run of a program: given a document, read for one, and never left behind.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use super::settings::ProgramSettings;
use crate::connectors::declared::Opened;

/// How much of what it complains about is kept, in bytes.
const COMPLAINT: usize = 4096;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was never started.
    NotStarted {
        why: String,
        /// Whether another try may help: the machine was short of something.
        passing: bool,
    },
    /// It took too long, or said too much, and was killed.
    Killed(String),
    /// It came to its end.
    Done {
        status: ExitStatus,
        answer: Vec<u8>,
        /// The beginning of its standard error.
        complaint: String,
    },
}

/// Starts the program, hands it `request`, and waits for its end.
pub(super) async fn run(settings: &ProgramSettings, secrets: &Opened, request: Vec<u8>) -> Ended {
    let child = match start(settings, secrets) {
        Ok(child) => child,
        Err(why) => {
            let passing = !matches!(
                why.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::NotADirectory
            );
            let why = format!("{}: {why}", settings.command.first().map_or("", String::as_str));
            return Ended::NotStarted { why, passing };
        }
    };
    let mut group = Group::of(child);
    let outcome = tokio::time::timeout(settings.timeout, talk(&mut group, settings.answer_limit, request)).await;
    match outcome {
        Ok(Ok(ended)) => ended,
        Ok(Err(why)) => Ended::Killed(format!("its pipes broke: {why}")),
        Err(_) => Ended::Killed(format!("no answer within {} s", settings.timeout.as_secs_f64())),
    }
}

fn start(settings: &ProgramSettings, secrets: &Opened) -> io::Result<Child> {
    let [program, arguments @ ..] = settings.command.as_slice() else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "no program is named"));
    };
    let hidden = settings.secret_environment.iter();
    let hidden = hidden.filter_map(|(variable, name)| Some((variable, secrets.named(name)?.expose())));
    Command::new(program)
        .args(arguments)
        .current_dir(&settings.folder)
        .env_clear()
        .envs(&settings.environment)
        .envs(hidden)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Hands over, reads, waits.
async fn talk(group: &mut Group, limit: usize, request: Vec<u8>) -> io::Result<Ended> {
    let (input, output, errors) = group.pipes()?;
    let hand_over = async {
        let mut input = pipe::Sender::from_owned_fd(input)?;
        // A program that does not read everything has perhaps read enough.
        match input.write_all(&request).await {
            Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(why),
            _ => Ok(()),
        }
    };
    let answer = read_all(pipe::Receiver::from_owned_fd(output)?, limit);
    let complaint = read_some(pipe::Receiver::from_owned_fd(errors)?);
    let spoken = async { tokio::try_join!(hand_over, answer, complaint) };
    let ((), answer, complaint) = spoken.await?;
    let Some(answer) = answer else {
        return Ok(Ended::Killed(format!("its answer has more than {limit} bytes")));
    };
    let status = group.end().await?;
    let complaint = String::from_utf8_lossy(&complaint).into_owned();
    Ok(Ended::Done { status, answer, complaint })
}

/// Everything, or `None` when it is more than `limit`.
async fn read_all(from: impl AsyncRead + Unpin, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// The beginning; the rest is read and forgotten, so that nobody waits for a reader.
async fn read_some(mut from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&buffer[..count.min(COMPLAINT - kept.len().min(COMPLAINT))]);
    }
}

/// A program and whatever it has started. When this is dropped, nothing of it is left.
struct Group {
    child: Option<Child>,
}

impl Group {
    fn of(child: Child) -> Self {
        Self { child: Some(child) }
    }

    fn pipes(&mut self) -> io::Result<(OwnedFd, OwnedFd, OwnedFd)> {
        let gone = || io::Error::from(ErrorKind::BrokenPipe);
        let child = self.child.as_mut().ok_or_else(gone)?;
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        let errors = child.stderr.take().ok_or_else(gone)?;
        Ok((input.into(), output.into(), errors.into()))
    }

    /// Waits for the program's end, and ends what it has left behind.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let Some(pid) = self.child.as_ref().and_then(pid) else { return Err(ErrorKind::NotFound.into()) };
        // It stays a zombie for now: nobody else gets its number before its group is ended.
        let waited = tokio::task::spawn_blocking(move || {
            loop {
                match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => return other,
                }
            }
        });
        waited.await.map_err(io::Error::other)??;
        self.kill().unwrap_or_else(|| Ok(ExitStatus::from_raw(0)))
    }

    fn kill(&mut self) -> Option<io::Result<ExitStatus>> {
        let mut child = self.child.take()?;
        if let Some(pid) = pid(&child) {
            kill_process_group(pid, Signal::KILL).ok();
        }
        Some(child.wait())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}
