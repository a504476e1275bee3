//! Who acts: whoever the operating system says runs this command.

use super::context::Context;

impl Context {
    /// `os:alice`, as the journal names who asked.
    pub(super) fn actor(&self) -> String {
        let uid = process_owner();
        let listed = uid.and_then(|uid| name_in(&std::fs::read_to_string("/etc/passwd").unwrap_or_default(), uid));
        // Accounts of a directory service are not in the file; then the login's own word is all there is.
        let said = || ["USER", "LOGNAME"].iter().find_map(|name| self.around.variables.get(*name).cloned());
        let name = listed.or_else(said).filter(|name| !name.is_empty());
        format!("os:{}", name.or_else(|| uid.map(|uid| format!("uid{uid}"))).unwrap_or_else(|| "unknown".to_owned()))
    }
}

#[cfg(unix)]
fn process_owner() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}

#[cfg(not(unix))]
fn process_owner() -> Option<u32> {
    None
}

/// passwd(5): `name:password:uid:…`
fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(passwd, 100), None);
    }
}
