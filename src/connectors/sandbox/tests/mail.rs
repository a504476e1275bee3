//! Mail and sign-in: what people and senders notice.

use super::super::Delivery;
use super::*;

const ADA: &str = "ada.keller@alpine-instruments.example";
const SENDER: &str = "orders@glacier-optics.example";

impl Stage {
    async fn do_it(&self, action: ActionKind, with: Value) {
        self.perform(&Scene::on(action, "mailhost", "m-0005", with), 1).await.expect("does it");
    }

    fn mail(&self) -> Delivery {
        self.company.deliver_mail(ADA, SENDER, now()).expect("arrives")
    }

    fn inbox(&self, id: &str) -> u64 {
        self.view("mailhost", id).mailbox.expect("a mailbox").folders["INBOX"].mails
    }
}

fn stored_for(id: &str) -> (String, String) {
    ("mailhost".to_owned(), id.to_owned())
}

#[tokio::test]
async fn a_disabled_account_cannot_sign_in_while_mail_goes_on_accumulating() {
    let stage = Stage::new();
    let password = stage.view("mailhost", "m-0005").password;
    let session = stage.company.sign_in("mailhost", "m-0005", &password, now()).expect("signs in");
    let before = stage.inbox("m-0005");
    stage.do_it(ActionKind::AccountDisable, json!({})).await;

    let error = stage.company.sign_in("mailhost", "m-0005", &password, now()).expect_err("is shut");
    assert_eq!(error.to_string(), "no sign-in to `m-0005` on `mailhost`: an account that is disabled");
    assert_eq!(stage.mail().stored, [stored_for("m-0005")]);
    assert_eq!(stage.inbox("m-0005"), before + 1);

    // The surprise of real systems: disabling leaves the open session open.
    assert_eq!(stage.company.read_mail("mailhost", "m-0005", &session).expect("reads"), before + 1);
    stage.do_it(ActionKind::SessionsRevoke, json!({})).await;
    stage.company.read_mail("mailhost", "m-0005", &session).expect_err("is shut");
}

#[tokio::test]
async fn a_rotated_password_shuts_the_old_one_out() {
    let stage = Stage::new();
    let old = stage.view("mailhost", "m-0005").password;
    stage.do_it(ActionKind::PasswordRotate, json!({})).await;
    stage.company.sign_in("mailhost", "m-0005", &old, now()).expect_err("is wrong now");
    let account = stage.view("mailhost", "m-0005");
    assert_eq!(account.password_set, Some(now()));
    stage.company.sign_in("mailhost", "m-0005", &account.password, now()).expect("is right");
    assert_eq!(stage.view("mailhost", "m-0005").last_sign_in, Some(now()));
}

#[tokio::test]
async fn an_auto_reply_answers_each_sender_once() {
    let stage = Stage::new();
    stage.do_it(ActionKind::MailAutoReply, json!({ "subject": "Ada has left", "contact": SOREN })).await;
    let replies = stage.mail().replies;
    assert_eq!((replies.len(), replies[0].subject.as_str()), (1, "Ada has left"));
    assert_eq!(replies[0].contact.as_deref(), Some(SOREN));
    assert_eq!(stage.mail().replies, []);
    let other = stage.company.deliver_mail(ADA, "desk@valais-metrology.example", now()).expect("arrives");
    assert_eq!(other.replies.len(), 1);
}

#[tokio::test]
async fn a_redirect_moves_or_copies() {
    let stage = Stage::new();
    stage.do_it(ActionKind::MailClearRules, json!({})).await;
    stage.do_it(ActionKind::MailRedirect, json!({ "to": SOREN, "keep_copy": false })).await;
    assert_eq!(stage.mail().stored, [stored_for("m-0004")]);
    stage.do_it(ActionKind::MailRedirect, json!({ "to": SOREN, "keep_copy": true })).await;
    assert_eq!(stage.mail().stored, [stored_for("m-0005"), stored_for("m-0004")]);
}

#[tokio::test]
async fn the_leavers_own_forward_works_until_it_is_cleared() {
    let stage = Stage::new();
    assert_eq!(stage.mail().sent_on, ["ada@keller.example"]);
    stage.do_it(ActionKind::MailClearRules, json!({})).await;
    assert_eq!(stage.mail().sent_on, [] as [String; 0]);
}

#[tokio::test]
async fn redirects_in_a_circle_come_to_an_end() {
    let stage = Stage::new();
    stage.do_it(ActionKind::MailRedirect, json!({ "to": SOREN, "keep_copy": true })).await;
    let back = Scene::on(ActionKind::MailRedirect, "mailhost", "m-0004", json!({ "to": ADA }));
    stage.perform(&back, 1).await.expect("does it");
    assert_eq!(stage.mail().stored, [stored_for("m-0005")]);
    stage.do_it(ActionKind::MailClearRules, json!({})).await;
    stage.do_it(ActionKind::MailRedirect, json!({ "to": SOREN, "keep_copy": false })).await;
    assert_eq!(stage.mail().bounced.as_deref(), Some("its redirects go in a circle"));
}

#[tokio::test]
async fn in_maintenance_mail_arrives_and_nobody_reads_it() {
    let stage = Stage::new();
    let before = stage.inbox("m-0005");
    stage.perform(&Scene::of(ActionKind::MailMaintenance).expect("a scene"), 1).await.expect("begins");
    assert_eq!(stage.mail().bounced, None);
    assert_eq!(stage.inbox("m-0005"), before + 1);
    let error = stage.company.read_mail("mailhost", "m-0005", "laptop").expect_err("is shut");
    assert!(error.to_string().contains("in maintenance"), "{error}");
}

#[tokio::test]
async fn a_blocked_product_is_managed_by_administrators_only() {
    let stage = Stage::new();
    stage.company.manage("directory", "u-0005").expect("open to all");
    stage.perform(&Scene::of(ActionKind::ProductBlock).expect("a scene"), 1).await.expect("blocks");
    stage.company.manage("directory", "u-0005").expect_err("is blocked");
    stage.company.manage("directory", "u-0001").expect("the legal representative may");
    stage.company.manage("directory", "u-0002").expect("an administrator may");
}

#[tokio::test]
async fn deleted_and_unknown_mailboxes_bounce() {
    let stage = Stage::new();
    stage.do_it(ActionKind::AccountDelete, json!({})).await;
    assert_eq!(stage.mail().bounced.as_deref(), Some("account `m-0005` on `mailhost` is deleted"));
    let nobody = stage.company.deliver_mail("who@alpine-instruments.example", SENDER, now()).expect("bounces");
    assert!(nobody.bounced.is_some());
}

#[tokio::test]
async fn transferred_mail_lies_in_a_folder_of_the_colleague() {
    let stage = Stage::new();
    let count = stage.inbox("m-0005");
    stage.perform(&Scene::of(ActionKind::MailTransfer).expect("a scene"), 1).await.expect("copies");
    let folder = stage.view("mailhost", "m-0004").mailbox.expect("a mailbox").folders["From Ada Keller"].clone();
    assert_eq!((folder.mails, folder.from.as_deref()), (count, Some("m-0005")));
    assert_eq!(stage.inbox("m-0005"), count);
    let other =
        Scene::on(ActionKind::MailTransfer, "mailhost", "m-0006", json!({ "to": SOREN, "folder": "From Ada Keller" }));
    let error = stage.perform(&other, 1).await.expect_err("is taken");
    assert!(error.to_string().contains("name another"), "{error}");
}

#[tokio::test]
async fn an_address_reaches_its_account_as_long_as_it_has_it() {
    let stage = Stage::new();
    let arrives = |to: &str| stage.company.deliver_mail(to, SENDER, now()).expect("is tried").bounced.is_none();
    assert!(arrives("A.Keller@alpine-instruments.example"));
    stage.do_it(ActionKind::AliasAdd, json!({ "alias": "ada@alpine-instruments.example" })).await;
    assert!(arrives("ada@alpine-instruments.example"));
    stage.do_it(ActionKind::AliasRemove, json!({ "alias": "ada@alpine-instruments.example" })).await;
    assert!(!arrives("ada@alpine-instruments.example"));
    stage.do_it(ActionKind::AccountUpdate, json!({ "email": "ada.brunner@alpine-instruments.example" })).await;
    assert!(arrives("ada.brunner@alpine-instruments.example"));
    stage.do_it(ActionKind::AccountDelete, json!({})).await;
    stage.do_it(ActionKind::AccountPurge, json!({})).await;
    assert!(!arrives("ada.brunner@alpine-instruments.example"));
}
