//! Directories, against real servers: OpenLDAP and 389 Directory Server as any user, and Active Directory's protocol by Samba's
//! domain controller as root; lldap on a stand-in that answers as its source does.

mod ds389;
mod line;
mod lldap;
mod ns_slapd;
mod openldap;
mod outside;
mod posix;
mod reading;
mod samba;
mod slapd;
mod stand_in;
mod story;
mod target;

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use usher::connectors::ldap::{LdapSettings, Mark, Profile, Security};
use usher::secret::SecretRef;

use self::outside::{Outside, SUFFIX, USHER};
pub use crate::servers::free_port;

/// In the clear to this machine; a test of its own shows the other ways in.
fn settings(server: &Outside, profile: Profile) -> LdapSettings {
    LdapSettings {
        profile,
        url: format!("ldap://127.0.0.1:{}", server.port),
        security: Security::None,
        ca: None,
        user: USHER.to_owned(),
        password: SecretRef::File(server.password_file()),
        base: SUFFIX.to_owned(),
        people: format!("ou=people,{SUFFIX}"),
        groups: format!("ou=groups,{SUFFIX}"),
        deleted: Some(format!("ou=disabled,{SUFFIX}")),
        filter: profile.filter().to_owned(),
        login: "uid".to_owned(),
        employee_number: "employeeNumber".to_owned(),
        hidden: Some(Mark { attribute: "employeeType".to_owned(), value: "hidden".to_owned() }),
        policy: None,
        administrators: None,
        placeholder: None,
        domain: "example.org".to_owned(),
        page: 500,
        timeout: Duration::from_secs(10),
    }
}

/// An authority (`ca.pem`), and a server's certificate by it (`cert.pem`, `key.pem`) for these names.
pub fn certificates(at: &Path, names: &[&str]) {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(at.join("ca.pem"), ca.self_signed(&ca_key).expect("an authority").pem()).expect("writes");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).expect("parameters").signed_by(&key, &issuer).expect("a certificate");
    std::fs::write(at.join("cert.pem"), leaf.pem()).expect("writes");
    std::fs::write(at.join("key.pem"), key.serialize_pem()).expect("writes");
}
