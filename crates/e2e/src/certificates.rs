//! The identities of a control plane: one authority, and what it signs. Keys and certificates as PEM text; where they
//! are written and who shows them to whom is not known here.

use std::net::IpAddr;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

/// Who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub certificate: String,
}

/// A certificate and its private key, PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

/// A pair of keys without a certificate, PEM: what service account tokens are signed and checked with.
pub struct SigningKeys {
    /// The private key, PKCS#8.
    pub private: String,
    /// The public key.
    pub public: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// Who serves at these addresses and names.
    pub fn server(&self, name: &str, addresses: &[IpAddr], hosts: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name, None);
        params.subject_alt_names = addresses.iter().copied().map(SanType::IpAddress).collect();
        for host in hosts {
            params.subject_alt_names.push(SanType::DnsName((*host).try_into()?));
        }
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Who calls: the API server reads the user from the common name and the group from the organisation.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(user, group);
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

impl SigningKeys {
    /// A new pair.
    pub fn new() -> Result<SigningKeys> {
        let key = KeyPair::generate()?;
        Ok(SigningKeys { private: key.serialize_pem(), public: key.public_key_pem() })
    }
}

/// A subject.
fn named(common: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name.push(DnType::CommonName, common);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the DER inside a PEM holds these bytes.
    fn holds(pem: &str, bytes: &[u8]) -> bool {
        der(pem).windows(bytes.len()).any(|window| window == bytes)
    }

    /// The bytes of a PEM.
    fn der(pem: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let body = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let sixes = body.bytes().filter_map(|c| ALPHABET.iter().position(|known| *known == c));
        let bits: Vec<bool> =
            sixes.flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1 == 1)).collect();
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
    }

    #[test]
    fn a_client_is_its_user_and_group() {
        let authority = Authority::new("somebody").unwrap();
        let admin = authority.client("admin", Some("system:masters")).unwrap();
        assert!(admin.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(admin.key.starts_with("-----BEGIN PRIVATE KEY-----"));
        for text in ["admin", "system:masters", "somebody"] {
            assert!(holds(&admin.certificate, text.as_bytes()), "{text}");
        }
        let plain = authority.client("system:kube-scheduler", None).unwrap();
        assert!(!holds(&plain.certificate, b"system:masters"));
        assert_ne!(admin.key, plain.key);
    }

    #[test]
    fn a_server_serves_at_its_addresses_and_names() {
        let authority = Authority::new("somebody").unwrap();
        let server = authority.server("api", &["10.96.0.1".parse().unwrap()], &["localhost"]).unwrap();
        assert!(holds(&server.certificate, &[0x87, 4, 10, 96, 0, 1]));
        assert!(holds(&server.certificate, b"localhost"));
        assert!(!holds(&authority.certificate, b"localhost"));
    }

    #[test]
    fn tokens_have_keys_of_their_own() {
        let keys = SigningKeys::new().unwrap();
        assert!(keys.private.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(keys.public.starts_with("-----BEGIN PUBLIC KEY-----"));
    }
}
