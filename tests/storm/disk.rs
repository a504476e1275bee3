//! The disk under a SQLite record is full, and has room again (guarantee 13). Needs a small file system of its own, and
//! mounting one needs root.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::restarts::AFTER_AN_OUTAGE;
use crate::storm::{Storm, a_while, departures, setting, turn};
use crate::town::Town;

/// A small disk in memory; gone with this value.
struct Disk {
    place: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "usher-storm"]).arg(place.path());
        let output = mount.output().expect("runs mount");
        assert!(
            output.status.success(),
            "a small disk cannot be mounted ({}): run this test as root (in a container, for example), or leave it out with \
             USHER_STORM_DISK=no",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Self { place }
    }

    fn ballast(&self) -> PathBuf {
        self.place.path().join("ballast")
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("makes the ballast");
        // In ever smaller pieces, until not a byte is left.
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    fn clear(&self) {
        std::fs::remove_file(self.ballast()).expect("removes the ballast");
    }

    fn path(&self) -> &Path {
        self.place.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that is just ending may still have its files open.
        Command::new("umount").arg("-l").arg(self.place.path()).status().ok();
    }
}

/// How often the daemon has said that the disk is full.
fn complaints(town: &Town) -> usize {
    town.whole_log().matches("full").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_work_until_there_is_room_again() {
    let _turn = turn().await;
    if std::env::var("USHER_STORM_DISK").is_ok_and(|value| value == "no") {
        eprintln!("Without a full disk, as USHER_STORM_DISK=no says: nothing was tried");
        return;
    }
    let mut storm = Storm::new("disk full under SQLite", setting("USHER_STORM_DISKS", 3));
    let mut noticed = 0;
    while storm.goes_on() {
        let disk = Disk::mount();
        let town = Town::new(departures(), &format!("sqlite:{}", disk.path().join("usher.db").display())).await;
        let mut daemon = Daemon::start(&Surroundings::of(&town.folder));
        let mut here = 0;
        while storm.strikes(&town, 600, &mut here).await {
            let before = complaints(&town);
            disk.fill();
            let filled = Instant::now();
            town.live(a_while(3000)).await;
            // What fits into the room that the files have already goes on for a while.
            while complaints(&town) == before && filled.elapsed() < Duration::from_secs(8) {
                town.live(Duration::from_millis(200)).await;
            }
            disk.clear();
            storm.measured("work goes on after", town.until_work_goes_on(AFTER_AN_OUTAGE).await);
            assert!(daemon.lives(), "the daemon needs no restart: {}", town.log());
        }
        storm.ends(&town).await;
        noticed += complaints(&town);
        daemon.terminate().await;
        clock::pause(Duration::from_millis(50)).await;
    }
    storm.report();
    assert!(noticed > 0, "the disk was full, and the daemon has said so");
}
