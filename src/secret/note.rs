//! Signed notes, as the C2SP specification `signed-note` has them: a text, an empty line, and lines
//! `— NAME BASE64(key id, signature)`. Signatures are Ed25519 (RFC 8032, type 0x01) over the text with its last newline.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::seal::DataKey;

/// The specification's number for Ed25519.
const ED25519: u8 = 0x01;

/// What begins a line with a signature.
const DASH: &str = "\u{2014} ";

/// More signatures than this are not looked at.
const MOST_SIGNATURES: usize = 32;

/// Signs notes under one name.
#[derive(Clone)]
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[signing key of {}]", self.name)
    }
}

impl NoteSigner {
    /// The signer whose Ed25519 seed is `seed`. Its name says which key it is: `usher/` and the beginning of the public
    /// key's SHA-256.
    pub fn of(seed: &DataKey) -> Self {
        let key = SigningKey::from_bytes(&seed.0);
        let digest = Sha256::digest(key.verifying_key().as_bytes());
        Self { name: format!("usher/{}", hex::encode(&digest[..8])), key }
    }

    /// The name it signs under, which is also the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others check its notes with.
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note of this text; the text ends with a newline.
    pub fn sign(&self, text: &str) -> String {
        let mut signed = self.verifier().id().to_vec();
        signed.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n{DASH}{} {}\n", self.name, STANDARD.encode(signed))
    }
}

/// Why a note is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note.
    #[error("it is not a signed note: a text, an empty line, and lines that begin with `\u{2014} `")]
    Form,
    /// Somebody else's.
    #[error("no key that is trusted here has signed it")]
    Unknown,
    /// Changed, or forged.
    #[error("the signature of {0} does not fit: it was changed, or forged")]
    Forged(String),
    /// Not a key.
    #[error("`{0}` is no verifier key: NAME+HASH+BASE64 was expected, as `usher audit key` prints it")]
    NotAKey(String),
}

/// Checks notes of one name. Written `NAME+HASH+BASE64`: the key id in hexadecimal, then the type and the public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
}

impl NoteVerifier {
    /// The name it knows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, newline, type and public key.
    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![ED25519];
        typed.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(typed))
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::NotAKey(text.to_owned());
        // The base64 text may hold a plus itself.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let typed = STANDARD.decode(key).map_err(|_| wrong())?;
        let Some((&ED25519, key)) = typed.split_first() else { return Err(wrong()) };
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok()).ok_or_else(wrong)?;
        let verifier = Self { name: name.to_owned(), key };
        let sound = !name.is_empty() && !name.contains(char::is_whitespace) && hex::encode(verifier.id()) == id;
        if sound { Ok(verifier) } else { Err(wrong()) }
    }
}

/// The text of a note that one of `trusted` has signed.
///
/// # Errors
/// When it is no note, none of them has signed it, or a signature of one of them does not fit.
pub fn open_note<'n>(note: &'n str, trusted: &[NoteVerifier]) -> Result<&'n str, NoteError> {
    if note.chars().any(|sign| sign.is_ascii_control() && sign != '\n') {
        return Err(NoteError::Form);
    }
    let end = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    let lines = signatures.strip_suffix('\n').ok_or(NoteError::Form)?;
    let mut believed = false;
    for line in lines.split('\n').take(MOST_SIGNATURES) {
        let (name, signed) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::Form)?;
        let signed = STANDARD.decode(signed).map_err(|_| NoteError::Form)?;
        let (id, signature) = signed.split_at_checked(4).ok_or(NoteError::Form)?;
        for known in trusted.iter().filter(|known| known.name == name && known.id() == id) {
            let signature = Signature::from_slice(signature).map_err(|_| NoteError::Form)?;
            known.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Forged(name.to_owned()))?;
            believed = true;
        }
    }
    if believed { Ok(text) } else { Err(NoteError::Unknown) }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn signer(byte: u8) -> NoteSigner {
        NoteSigner::of(&DataKey(Zeroizing::new([byte; 32])))
    }

    /// The note and the key of the Go package's documentation (golang.org/x/mod/sumdb/note).
    #[test]
    fn a_note_that_others_have_signed_is_believed() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        let verifier: NoteVerifier = key.parse().unwrap();
        assert_eq!(verifier.to_string(), key);
        assert_eq!(open_note(&note, std::slice::from_ref(&verifier)), Ok(text));
        let forged = note.replacen("think", "thinK", 1);
        assert_eq!(open_note(&forged, &[verifier]), Err(NoteError::Forged("PeterNeumann".into())));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_found() {
        let signer = signer(7);
        let note = signer.sign("usher/x\n3\nabc=\n");
        let trusted = [signer.verifier()];
        assert_eq!(open_note(&note, &trusted), Ok("usher/x\n3\nabc=\n"));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(open_note(&changed, &trusted).is_err(), "byte {at}: {changed}");
            }
        }
        assert_eq!(open_note(&note, &[super::tests::signer(8).verifier()]), Err(NoteError::Unknown));
        assert_eq!(open_note(&note, &[]), Err(NoteError::Unknown));
    }

    #[test]
    fn others_may_sign_too_and_their_lines_are_passed_over() {
        let (ours, theirs) = (signer(7), signer(8));
        let text = "usher/x\n3\nabc=\n";
        let (one, two) = (ours.sign(text), theirs.sign(text));
        let both = format!("{one}{}", two.strip_prefix(&format!("{text}\n")).unwrap());
        assert_eq!(open_note(&both, &[ours.verifier()]), Ok(text));
        assert_eq!(open_note(&both, &[theirs.verifier()]), Ok(text));
    }

    #[test]
    fn a_text_with_control_signs_is_no_note_whoever_signs_it() {
        let signer = signer(7);
        for text in ["a\tb\n", "a\r\n", "a\0\n"] {
            assert_eq!(open_note(&signer.sign(text), &[signer.verifier()]), Err(NoteError::Form), "{text:?}");
        }
    }

    #[test]
    fn only_the_first_signatures_are_looked_at() {
        let (ours, text) = (signer(7), "usher/x\n3\nabc=\n");
        let one = ours.sign(text);
        let (theirs, line) = (signer(8).sign(text), one.strip_prefix(&format!("{text}\n")).unwrap());
        let their_line = theirs.strip_prefix(&format!("{text}\n")).unwrap();
        let behind = |others: usize| format!("{text}\n{}{line}", their_line.repeat(others));
        assert_eq!(open_note(&behind(MOST_SIGNATURES - 1), &[ours.verifier()]), Ok(text));
        assert_eq!(open_note(&behind(MOST_SIGNATURES), &[ours.verifier()]), Err(NoteError::Unknown));
    }

    #[test]
    fn keys_are_read_strictly_and_never_shown() {
        let verifier = signer(7).verifier();
        assert_eq!(verifier.to_string().parse::<NoteVerifier>().unwrap(), verifier);
        for wrong in ["", "a+b", "a+00000000+AAAA", &verifier.to_string().replacen("usher", "ushes", 1)] {
            assert!(wrong.parse::<NoteVerifier>().is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", signer(7)), format!("[signing key of {}]", signer(7).name()));
        for note in ["", "text\n", "text\n\n", "text\n\nno dash\n", "a\tb\n\n\u{2014} a AAAA\n"] {
            assert_eq!(open_note(note, &[]), Err(NoteError::Form), "{note:?}");
        }
    }
}
