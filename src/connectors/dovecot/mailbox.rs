//! The folders of a mailbox, by doveadm: whose they are, who reads along (RFC 4314), and emptying them for good.

use serde_json::{Value, json};

use super::DovecotSystem;
use super::doveadm::{Answer, Order, column};
use super::error::Effect;
use super::name::UserName;
use crate::connectors::ActionError;

/// What a colleague may do in a folder that is shared: see it, and read.
pub(super) const RIGHTS: [&str; 2] = ["lookup", "read"];

/// A folder with its mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) name: String,
    guid: String,
    pub(super) mails: u64,
}

impl DovecotSystem {
    /// The account's own folders. What others share with it is not among them: a wildcard finds private namespaces only.
    pub(super) async fn folders(&self, user: &UserName) -> Result<Vec<Folder>, ActionError> {
        let asked = json!({ "user": user.as_str(), "mailboxMask": ["*"], "field": ["guid", "messages"] });
        let table = self.doveadm.one(Effect::Looks, "mailboxStatus", asked).await?;
        let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let folder = |row: &Value| {
            let mails = text(row, "messages")?.parse().ok()?;
            Some(Folder { name: text(row, "mailbox")?, guid: text(row, "guid")?, mails })
        };
        let rows = table.as_array().map(Vec::as_slice).unwrap_or_default();
        let odd = || ActionError::retry(format!("{} tells its folders in a form that is not known", self.name));
        rows.iter().map(|row| folder(row).ok_or_else(odd)).collect()
    }

    /// The account's own folders that `reader` may not read yet, or still may.
    pub(super) async fn folders_where(
        &self,
        user: &UserName,
        reader: &UserName,
        may_read: bool,
    ) -> Result<Vec<String>, ActionError> {
        let folders = self.folders(user).await?;
        let order = |folder: &Folder| Order::new("aclGet", json!({ "user": user.as_str(), "mailbox": folder.name }));
        let answers = self.doveadm.all(Effect::Looks, folders.iter().map(order).collect()).await?;
        let mut found = Vec::new();
        for (folder, answer) in folders.into_iter().zip(answers) {
            let table = self.doveadm.done(Effect::Looks, "aclGet", answer)?;
            if reads(&table, reader) == may_read {
                found.push(folder.name);
            }
        }
        Ok(found)
    }

    /// Lets somebody read these folders.
    pub(super) async fn share(
        &self,
        user: &UserName,
        reader: &UserName,
        folders: &[String],
    ) -> Result<(), ActionError> {
        let id = format!("user={reader}");
        let order = |folder: &String| {
            Order::new("aclSet", json!({ "user": user.as_str(), "mailbox": folder, "id": id, "right": RIGHTS }))
        };
        self.change_all("aclSet", folders.iter().map(order).collect()).await
    }

    /// Takes it back.
    pub(super) async fn unshare(
        &self,
        user: &UserName,
        reader: &UserName,
        folders: &[String],
    ) -> Result<(), ActionError> {
        let id = format!("user={reader}");
        let order =
            |folder: &String| Order::new("aclDelete", json!({ "user": user.as_str(), "mailbox": folder, "id": id }));
        self.change_all("aclDelete", folders.iter().map(order).collect()).await
    }

    /// All mails and all folders go; the inbox stays, empty.
    pub(super) async fn empty(&self, user: &UserName) -> Result<(), ActionError> {
        let mut folders = self.folders(user).await?;
        // By what a folder is, not by what it is called: a name may be a wildcard.
        let expunge = |folder: &Folder| {
            let query = json!(["mailbox-guid", folder.guid, "all"]);
            Order::new("expunge", json!({ "user": user.as_str(), "query": query }))
        };
        let full = folders.iter().filter(|folder| folder.mails > 0);
        self.change_all("expunge", full.map(expunge).collect()).await?;
        // What is inside goes first.
        folders.retain(|folder| !folder.name.eq_ignore_ascii_case("INBOX"));
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.name.len()));
        let delete = |folder: &Folder| {
            let asked = json!({ "user": user.as_str(), "mailbox": [folder.name], "subscriptions": true });
            Order::new("mailboxDelete", asked)
        };
        self.change_all("mailboxDelete", folders.iter().map(delete).collect()).await
    }

    /// How many mails there are.
    pub(super) async fn mails(&self, user: &UserName) -> Result<u64, ActionError> {
        Ok(self.folders(user).await?.iter().map(|folder| folder.mails).sum())
    }

    async fn change_all(&self, command: &'static str, orders: Vec<Order>) -> Result<(), ActionError> {
        let mut done = 0;
        for answer in self.doveadm.all(Effect::Changes, orders).await? {
            match answer {
                Answer::Done(_) => done += 1,
                // Some have had their effect, so this is no plain failure.
                refused if done > 0 => {
                    let error = self.doveadm.done(Effect::Changes, command, refused).err();
                    let why = error.map(|error| error.to_string()).unwrap_or_default();
                    return Err(ActionError::unknown(format!("{why}; {done} folders were done before")));
                }
                refused => return self.doveadm.done(Effect::Changes, command, refused).map(drop),
            }
        }
        Ok(())
    }
}

/// Whether an access list lets somebody read. What is taken away from them in it (`-user=…`) counts.
fn reads(table: &Value, reader: &UserName) -> bool {
    let rights_of = |wanted: String| {
        let ids = column(table, "id").into_iter().zip(column(table, "rights"));
        let found = ids.into_iter().find(|(id, _)| *id == wanted).map(|(_, rights)| rights).unwrap_or_default();
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let (given, taken) = (rights_of(format!("user={reader}")), rights_of(format!("-user={reader}")));
    RIGHTS.iter().all(|right| given.iter().any(|has| has == right) && taken.iter().all(|has| has != right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_is_read_from_the_access_list() {
        let boss = UserName::parse("boss@example.org").unwrap();
        let list = |rows: &[(&str, &str)]| {
            let rows = rows.iter().map(|(id, rights)| json!({ "id": id, "global": "", "rights": rights }));
            Value::from(rows.collect::<Vec<_>>())
        };
        assert!(reads(&list(&[("user=boss@example.org", "lookup read write-seen")]), &boss));
        for rows in [
            &[][..],
            &[("user=boss@example.org", "lookup")],
            &[("user=boss@example.organ", "lookup read")],
            &[("group=boss@example.org", "lookup read")],
            &[("user=boss@example.org", "lookup read"), ("-user=boss@example.org", "read")],
        ] {
            assert!(!reads(&list(rows), &boss), "{rows:?}");
        }
    }
}
