//! `[archive]`: judged whole.

use std::path::Path;

use super::database::DatabasePlace;
use super::judge::Judge;
use super::problem::suggestion;
use super::raw::RawArchive;
use crate::archive::{ArchiveSettings, DavPlace, Place, S3Place};

const DAY: u64 = 86_400;

/// Which keys belong to which kind of place.
const OF_A_KIND: [(&str, &[&str]); 7] = [
    ("folder", &["folder"]),
    ("url", &["webdav", "s3"]),
    ("user", &["webdav", "s3"]),
    ("password", &["webdav", "s3"]),
    ("bucket", &["s3"]),
    ("region", &["s3"]),
    ("retain", &["s3"]),
];

impl Judge<'_> {
    /// Where archives are kept; without the section, in a folder beside the database.
    pub(super) fn archive(&mut self, database: &DatabasePlace) -> ArchiveSettings {
        let raw = &self.merged.raw.archive;
        let beside = match database {
            DatabasePlace::Sqlite(file) => file.parent().map(Path::to_owned),
            DatabasePlace::Postgres(_) => None,
        };
        let usual = beside.unwrap_or_else(|| self.around.data_dir()).join("archives");
        let timeout = self.length("archive.timeout", raw.timeout.as_deref(), 1..=600, ArchiveSettings::TIMEOUT);
        let kind = raw.kind.as_deref().unwrap_or("folder");
        self.of_the_kind(kind, raw);
        let place = match kind {
            "folder" => {
                Some(Place::Folder(raw.folder.as_deref().map_or_else(|| usual.clone(), |path| self.path(path))))
            }
            "webdav" => self.dav_place(raw).map(Place::WebDav),
            "s3" => self.s3_place(raw).map(Place::S3),
            other => {
                let help = suggestion(other, &Place::KINDS);
                self.wrong("archive.kind", format!("`{other}` is no place for archives; {help}"));
                None
            }
        };
        ArchiveSettings { place: place.unwrap_or(Place::Folder(usual)), timeout }
    }

    fn of_the_kind(&mut self, kind: &str, raw: &RawArchive) {
        let written = [
            raw.folder.is_some(),
            raw.url.is_some(),
            raw.user.is_some(),
            raw.password.is_some(),
            raw.bucket.is_some(),
            raw.region.is_some(),
            raw.retain.is_some(),
        ];
        if !Place::KINDS.contains(&kind) {
            return;
        }
        for ((key, kinds), _) in OF_A_KIND.iter().zip(written).filter(|((_, kinds), is)| *is && !kinds.contains(&kind))
        {
            let kinds = kinds.join("` or `");
            self.wrong(&format!("archive.{key}"), format!("it belongs to `kind = \"{kinds}\"`, not to `{kind}`"));
        }
    }

    fn dav_place(&mut self, raw: &RawArchive) -> Option<DavPlace> {
        let url = self.archive_url(raw)?;
        if url.is_none() {
            self.wrong(
                "archive.url",
                "it is missing: the collection that archives go into, `https://dav.example.org/archives`",
            );
        }
        let login = match (&raw.user, &raw.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            _ => {
                self.wrong("archive.user", "`user` and `password` go together; one of them is missing");
                None
            }
        };
        Some(DavPlace { url: url?, login, ca: raw.ca.as_deref().map(|ca| self.path(ca)) })
    }

    fn s3_place(&mut self, raw: &RawArchive) -> Option<S3Place> {
        let url = self.archive_url(raw)?;
        for (key, there, what) in [
            ("bucket", raw.bucket.is_some(), "the bucket that archives go into"),
            ("user", raw.user.is_some(), "the id of the access key"),
            (
                "password",
                raw.password.is_some(),
                "the secret of the access key, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`",
            ),
        ] {
            if !there {
                self.wrong(&format!("archive.{key}"), format!("it is missing: {what}"));
            }
        }
        let bucket = raw.bucket.clone()?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) {
            self.wrong(
                "archive.bucket",
                format!("`{bucket}` is no bucket: 3 to 63 lower-case letters, digits, `.`, `-`"),
            );
            return None;
        }
        let retain = raw.retain.as_deref().map(|text| {
            let day = std::time::Duration::from_secs(DAY);
            self.length("archive.retain", Some(text), DAY..=36_500 * DAY, day)
        });
        Some(S3Place {
            url,
            bucket,
            region: raw.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            user: raw.user.clone()?,
            password: raw.password.clone()?,
            retain,
            ca: raw.ca.as_deref().map(|ca| self.path(ca)),
        })
    }

    /// The address, if one is written; `None` where it is wrong. What is archived, and what it is written with, does not go
    /// over a network in the clear.
    fn archive_url(&mut self, raw: &RawArchive) -> Option<Option<String>> {
        let Some(text) = raw.url.as_deref() else { return Some(None) };
        let url =
            reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            self.wrong("archive.url", format!("`{text}` is no address as `https://archive.example.org` is one"));
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            self.wrong("archive.url", "it is an address only: who signs in stands in `user` and `password`");
            return None;
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if url.scheme() == "http" && !here {
            self.wrong(
                "archive.url",
                "with `http` what is archived would go over the line in the clear; write `https://…`",
            );
            return None;
        }
        Some(Some(url.as_str().trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::archive::Place;
    use crate::config::tests::judged;

    const S3: &str = "[archive]\nkind = \"s3\"\nbucket = \"archives\"\nuser = \"usher\"\npassword = { env = \"S3\" }\n";
    const DAV: &str = "[archive]\nkind = \"webdav\"\nurl = \"https://dav.example.org/archives/\"\n";

    #[test]
    fn archives_are_kept_beside_the_database_or_where_it_is_written() {
        let (config, problems) = judged("[database]\nurl = \"sqlite:/srv/usher/usher.db\"");
        assert_eq!(problems, [""; 0]);
        assert_eq!(config.archive.place, Place::Folder("/srv/usher/archives".into()));
        assert_eq!(
            judged("[archive]\nfolder = \"/mnt/archives\"").0.archive.place,
            Place::Folder("/mnt/archives".into())
        );
        let (config, problems) = judged(DAV);
        assert_eq!(problems, [""; 0]);
        assert_eq!(config.archive.place.to_string(), "https://dav.example.org/archives");
        let (config, problems) = judged(&format!("{S3}retain = \"3650 days\"\n"));
        assert_eq!(problems, [""; 0]);
        let Place::S3(s3) = config.archive.place else { panic!() };
        assert_eq!((s3.region.as_str(), s3.retain), ("us-east-1", Some(Duration::from_secs(3650 * 86_400))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("[archive]\nkind = \"s4\"".to_owned(), "did you mean `s3`"),
            ("[archive]\nurl = \"https://x\"".to_owned(), "`archive.url`: it belongs to `kind = \"webdav` or `s3\"`"),
            ("[archive]\nkind = \"webdav\"".to_owned(), "`archive.url`: it is missing"),
            (format!("{DAV}user = \"usher\""), "one of them is missing"),
            (format!("{DAV}retain = \"1 day\""), "`archive.retain`: it belongs to"),
            (DAV.replace("https:", "http:"), "in the clear"),
            (DAV.replace("https:", "ftp:"), "is no address"),
            (DAV.replace("dav.example", "usher:pw@dav.example"), "an address only"),
            (S3.replace("bucket = \"archives\"\n", ""), "`archive.bucket`: it is missing"),
            (S3.replace("user = \"usher\"\n", ""), "`archive.user`: it is missing"),
            (S3.replace("{ env = \"S3\" }", "\"s3cret\""), "never written into the configuration"),
            (S3.replace("\"archives\"", "\"../x\""), "is no bucket"),
            (format!("{S3}retain = \"1 hour\""), "`archive.retain`"),
            (format!("{S3}timeout = \"1 day\""), "`archive.timeout`"),
            (format!("{S3}bukcet = \"x\""), "unknown key `bukcet`"),
        ] {
            let (config, problems) = judged(&text);
            assert!(problems.iter().any(|problem| problem.contains(named)), "{text}: {problems:?}");
            let secret = format!("{problems:?} {config:?}");
            assert!(!secret.contains("s3cret") && !secret.contains(":pw@"), "{secret}");
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for (host, well) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000", true),
            ("http://[::1]:9000", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            let (_, problems) = judged(&format!("{S3}url = \"{host}\"\n"));
            assert_eq!(problems.is_empty(), well, "{host}: {problems:?}");
        }
    }
}
