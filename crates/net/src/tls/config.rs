//! From a scope's settings and keys to what rustls works by.
//!
//! Source: `docs/domain/tls-scopes.md` 6 to 12, `docs/decisions/0011-tls-rules.md`.

use crate::sessions::{SESSIONS_MAX, Sessions, Telling};
use crate::suites::{self, Selection};
use config::{ClientAuth, Fault, Note, Origin, TlsSettings, TlsVersion};
use keys::level::{Floor, check_own_chain};
use keys::verify::{ClientVerifier, ServerVerifier, Trust};
use keys::{Identity, KeyAlgorithm, Material};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, NamedGroup, ProtocolVersion, ServerConfig,
    SignatureScheme, SupportedCipherSuite,
};
use std::sync::Arc;
use std::time::Duration;

/// Tickets for each full handshake of TLS 1.3, where sessions are kept at all: a client comes back on one connection.
const TICKETS: usize = 1;

/// The rules of a listener: what it speaks, whom it shows, and whom it lets in.
///
/// # Errors
/// Every setting that keeps the scope from being served.
pub fn server_config(
    settings: &TlsSettings,
    material: &Material,
) -> Result<(Arc<ServerConfig>, Vec<Note>), Vec<Fault>> {
    server_config_by(settings, material, Arc::new(DefaultTimeProvider))
}

/// The same by a clock.
pub(crate) fn server_config_by(
    settings: &TlsSettings,
    material: &Material,
    time: Arc<dyn TimeProvider>,
) -> Result<(Arc<ServerConfig>, Vec<Note>), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut notes = Vec::new();
    if material.identities.is_empty() {
        faults.push(missing(
            settings,
            "TLS_KEY_STORE_FILE",
            "there is no certificate to show",
        ));
    }
    check_identities(settings, material, &mut faults);
    let verifier = client_verifier(settings, material, &mut notes, &mut faults);
    let provided = provide(settings).and_then(|(mut provider, mut selection)| {
        fit_keys(settings, &material.identities, &mut selection)?;
        provider.cipher_suites.clone_from(&selection.suites);
        Ok((provider, selection))
    });
    let (provider, selection) = match provided {
        Ok(provided) if faults.is_empty() => provided,
        Ok(_) => return Err(faults),
        Err(more) => {
            faults.extend(more);
            return Err(faults);
        }
    };
    notes.extend(selection.notes);
    let mut config = ServerConfig::builder_with_details(Arc::new(provider), Arc::clone(&time))
        .with_protocol_versions(&selection.versions)
        .map_err(|error| vec![settings.level.fault(error.to_string(), "another level")])?
        .with_client_cert_verifier(Arc::new(Telling(Arc::clone(&verifier))))
        .with_cert_resolver(Arc::new(Identities::of(&material.identities)));
    config.ignore_client_order = true;
    keep_sessions(settings, &mut config, verifier, time, &mut notes);
    renewal(settings, &mut notes);
    Ok((Arc::new(config), notes))
}

/// The rules by which this server connects to another.
///
/// # Errors
/// Every setting that keeps the scope from being used.
pub fn client_config(
    settings: &TlsSettings,
    material: &Material,
) -> Result<(Arc<ClientConfig>, Vec<Note>), Vec<Fault>> {
    let rules = ClientRules::new(settings, material)?;
    let config = rules.config(|verifier| verifier);
    Ok((Arc::new(config), rules.notes))
}

/// What a client configuration is made of, while its verifier can still be watched.
pub(crate) struct ClientRules {
    provider: Arc<CryptoProvider>,
    verifier: Arc<ServerVerifier>,
    identities: Identities,
    pub(crate) notes: Vec<Note>,
}

impl ClientRules {
    pub(crate) fn new(settings: &TlsSettings, material: &Material) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        if material.trusted.is_empty() {
            let problem = "nothing says which servers are trusted";
            faults.push(missing(settings, "TLS_TRUST_STORE_FILE", problem));
        }
        check_identities(settings, material, &mut faults);
        let provided = provide(settings);
        let verifier = Arc::new(ServerVerifier::new(trust(settings, material, &mut notes)));
        if settings.trusted_hosts.is_none() && !settings.host_check.value {
            notes.push(settings.host_check.note(format!(
                "{}=0: nobody checks that the server is the one that was meant; any server with a \
                 certificate from the trust store is taken",
                settings.host_check.name
            )));
        }
        match provided {
            Ok((mut provider, selection)) if faults.is_empty() => {
                notes.extend(selection.notes);
                // A version of which no suite is left is not offered.
                provider.cipher_suites = selection.suites;
                Ok(Self {
                    provider: Arc::new(provider),
                    verifier,
                    identities: Identities::of(&material.identities),
                    notes,
                })
            }
            Ok(_) => Err(faults),
            Err(more) => {
                faults.extend(more);
                Err(faults)
            }
        }
    }

    /// The configuration, with the verifier that `watch` makes of the scope's own.
    pub(crate) fn config(
        &self,
        watch: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
    ) -> ClientConfig {
        let verifier = watch(Arc::clone(&self.verifier) as Arc<dyn ServerCertVerifier>);
        built(
            Arc::clone(&self.provider),
            verifier,
            self.identities.clone(),
        )
    }
}

/// A client that speaks whatever these suites allow and believes everybody: for looking at a server, never for use.
pub(crate) fn anybody(
    suites: &[CipherSuite],
    watch: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suites.contains(&suite.suite()));
    prefer_hybrids(&mut provider);
    let algorithms = provider.signature_verification_algorithms;
    let verifier = watch(Arc::new(Anybody(algorithms)));
    built(Arc::new(provider), verifier, Identities::of(&[]))
}

fn built(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identities: Identities,
) -> ClientConfig {
    let versions = versions_of(&provider.cipher_suites);
    let builder =
        match ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions) {
            Ok(builder) => builder,
            // A version is there because a suite of it is, and groups are never taken away whole: levels and FIPS mode
            // leave P-384 at least.
            Err(error) => unreachable!("a provider without suites or groups: {error}"),
        };
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(identities));
    // The settings know a cache for incoming connections only.
    config.resumption = Resumption::disabled();
    config
}

fn versions_of(suites: &[SupportedCipherSuite]) -> Vec<&'static rustls::SupportedProtocolVersion> {
    [&rustls::version::TLS13, &rustls::version::TLS12]
        .into_iter()
        .filter(|version| suites.iter().any(|suite| suite.version() == *version))
        .collect()
}

/// A setting that must be there and is not, or whose store is empty.
fn missing(settings: &TlsSettings, suffix: &str, problem: &str) -> Fault {
    let store = match suffix {
        "TLS_KEY_STORE_FILE" => &settings.key_store,
        _ => &settings.trust_store,
    };
    match store {
        Some(store) => store.file.fault(problem, "a store that is not empty"),
        None => {
            let name = own_name(settings, suffix);
            Fault::new(name, Origin::Default, problem, "the path of a store")
        }
    }
}

/// A setting's name in the scope itself.
fn own_name(settings: &TlsSettings, suffix: &str) -> String {
    let mut names = settings.scope.names(suffix).into_iter();
    names.next().unwrap_or_default()
}

/// The certificates that we show must keep to the level, wherever they come from.
fn check_identities(settings: &TlsSettings, material: &Material, faults: &mut Vec<Fault>) {
    for identity in &material.identities {
        let checked = check_own_chain(settings.level.value, settings.fips.value, identity.chain());
        if let Err(problem) = checked {
            let store = settings
                .key_store
                .as_ref()
                .map(|store| store.file.name.clone());
            let store = store.unwrap_or_else(|| own_name(settings, "TLS_KEY_STORE_FILE"));
            let problem = format!("the own certificate falls short: {problem}");
            let expected =
                format!("a certificate in {store} that keeps to the level, or another level");
            faults.push(settings.level.fault(problem, expected));
        }
    }
}

/// Under TLS 1.2 a suite belongs to one kind of key. A version of which no suite fits is left out, so that a client is
/// told that the version is not spoken; a key store and a list that do not meet at all serve nobody.
fn fit_keys(
    settings: &TlsSettings,
    identities: &[Identity],
    selection: &mut Selection,
) -> Result<(), Vec<Fault>> {
    let fits = |suite: &SupportedCipherSuite| {
        identities.iter().any(|identity| {
            let key = match identity.key_algorithm() {
                KeyAlgorithm::Rsa => rustls::SignatureAlgorithm::RSA,
                KeyAlgorithm::Ecdsa => rustls::SignatureAlgorithm::ECDSA,
                KeyAlgorithm::Ed25519 => rustls::SignatureAlgorithm::ED25519,
                KeyAlgorithm::Other => return suite.version().version == ProtocolVersion::TLSv1_3,
            };
            suite.usable_for_signature_algorithm(key)
        })
    };
    if identities.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = identities
        .iter()
        .map(|own| own.key_algorithm().to_string())
        .collect();
    let kinds = kinds.join(" and ");
    let expected = "suites with ECDHE_RSA for an RSA key, with ECDHE_ECDSA for any other";
    if !selection.suites.iter().any(fits) {
        let problem = format!(
            "no cipher suite that is left can be used with the key in the key store, which is {kinds}"
        );
        return Err(vec![match &settings.cipher_suites {
            Some(list) => list.fault(problem, expected),
            None => settings.level.fault(problem, expected),
        }]);
    }
    let versions = selection.versions.iter().copied();
    let (kept, off): (Vec<_>, Vec<_>) = versions.partition(|version| {
        let suites = selection.suites.iter();
        suites.filter(|suite| suite.version() == *version).any(fits)
    });
    for version in off {
        let version = match version.version {
            ProtocolVersion::TLSv1_3 => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        };
        let text = |name: &str| {
            format!(
                "{name}: none of the suites of {version} that are left can be used with the key in the key store, which \
                 is {kinds}, so {version} is off; add {expected}"
            )
        };
        selection.notes.push(match &settings.cipher_suites {
            Some(list) => list.note(text(&list.name)),
            None => settings.level.note(text(&settings.level.name)),
        });
    }
    selection.versions = kept;
    let versions = &selection.versions;
    selection
        .suites
        .retain(|suite| versions.contains(&suite.version()));
    Ok(())
}

fn trust(settings: &TlsSettings, material: &Material, notes: &mut Vec<Note>) -> Trust {
    let own: Vec<_> = material
        .identities
        .iter()
        .map(|own| own.certificate().clone())
        .collect();
    let (trust, unusable) = Trust::new(settings, &material.trusted, &own);
    if let Some(store) = &settings.trust_store {
        let unusable = unusable.into_iter();
        notes.extend(unusable.map(|text| store.file.note(format!("{}: {text}", store.file.name))));
    }
    trust
}

fn client_verifier(
    settings: &TlsSettings,
    material: &Material,
    notes: &mut Vec<Note>,
    faults: &mut Vec<Fault>,
) -> Arc<dyn ClientCertVerifier> {
    let client_auth = &settings.client_auth;
    if client_auth.value == ClientAuth::None {
        // That a list of trusted hosts compares nothing then is told with the settings.
        let mirror = &settings.mirror_trusted_hosts;
        if mirror.value {
            notes.push(mirror.note(format!(
                "{} compares nothing, because clients are not asked for a certificate ({})",
                mirror.name, client_auth.name
            )));
        }
        return Arc::new(NoClientAuth);
    }
    if material.trusted.is_empty() {
        faults.push(client_auth.fault(
            "clients are asked for a certificate, and nothing says which ones are trusted",
            format!(
                "a trust store ({}), or 0",
                settings.scope.names("TLS_TRUST_STORE_FILE").join(" or ")
            ),
        ));
    }
    Arc::new(ClientVerifier::new(
        trust(settings, material, notes),
        client_auth.value,
    ))
}

/// What is wrong if the scope asks for FIPS and this build has no module for it. For scopes without connections too:
/// nobody is to believe in what is not there.
#[must_use]
pub fn no_fips(settings: &TlsSettings) -> Option<Fault> {
    let missing = settings.fips.value && !aws_lc_rs::default_provider().fips();
    missing.then(|| {
        settings.fips.fault(
            "this build has no FIPS module",
            "0, or a server that was built with --features fips",
        )
    })
}

/// The crypto provider with what the scope may use of it.
fn provide(settings: &TlsSettings) -> Result<(CryptoProvider, Selection), Vec<Fault>> {
    let mut provider = aws_lc_rs::default_provider();
    let floor = Floor {
        level: settings.level.value,
        fips: settings.fips.value,
    };
    no_fips(settings).map_or(Ok(()), |fault| Err(vec![fault]))?;
    let selection = suites::select(settings, &provider.cipher_suites)?;
    provider.cipher_suites.clone_from(&selection.suites);
    provider
        .kx_groups
        .retain(|group| floor.allows_group(group.name()));
    prefer_hybrids(&mut provider);
    Ok((provider, selection))
}

/// Groups that hold against quantum computers first. A server takes what the client likes best.
fn prefer_hybrids(provider: &mut CryptoProvider) {
    let hybrid = |name| {
        matches!(
            name,
            NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768
        )
    };
    provider
        .kx_groups
        .sort_by_key(|group| !hybrid(group.name()));
}

/// Sessions are kept, and tickets given, only if both settings say so.
fn keep_sessions(
    settings: &TlsSettings,
    config: &mut ServerConfig,
    verifier: Arc<dyn ClientCertVerifier>,
    time: Arc<dyn TimeProvider>,
    notes: &mut Vec<Note>,
) {
    let sessions = &settings.sessions;
    let (Ok(limit), Ok(age)) = (
        usize::try_from(sessions.size.value),
        u64::try_from(sessions.max_age.value),
    ) else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        return;
    };
    if limit > SESSIONS_MAX {
        notes.push(sessions.size.note(format!(
            "{}: at most {SESSIONS_MAX} sessions are kept",
            sessions.size.name
        )));
    }
    config.session_storage = Arc::new(Sessions::new(
        limit,
        Duration::from_secs(age),
        verifier,
        time,
    ));
    config.send_tls13_tickets = TICKETS;
}

/// How long a connection keeps its keys while it sends, for [`crate::accept::Rules`].
#[must_use]
pub fn renew_keys_after(settings: &TlsSettings) -> Option<Duration> {
    let seconds = settings.sessions.renew_after.value;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn renewal(settings: &TlsSettings, notes: &mut Vec<Note>) {
    let renew = &settings.sessions.renew_after;
    if renew.value > 0 && settings.versions.min.value == config::TlsVersion::Tls12 {
        notes.push(renew.note(format!(
            "{}: connections of TLS 1.3 get new keys; those of TLS 1.2 keep theirs, because the TLS library does \
             not renegotiate",
            renew.name
        )));
    }
}

/// The certificates of a scope; which one is shown is up to what the peer can check.
#[derive(Debug, Clone)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl Identities {
    /// The cheapest to use first.
    fn of(identities: &[Identity]) -> Self {
        let mut sorted: Vec<&Identity> = identities.iter().collect();
        sorted.sort_by_key(|identity| match identity.key_algorithm() {
            KeyAlgorithm::Ecdsa => 0,
            KeyAlgorithm::Ed25519 => 1,
            KeyAlgorithm::Other => 2,
            KeyAlgorithm::Rsa => 3,
        });
        let keys = sorted
            .into_iter()
            .map(|identity| Arc::new(identity.certified_key()));
        Self(keys.collect())
    }

    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        if let [only] = self.0.as_slice() {
            return Some(Arc::clone(only));
        }
        let mut known = self.0.iter();
        let fitting = known.find(|own| own.key.choose_scheme(schemes).is_some());
        // If none fits, the handshake fails with the reason that says so.
        fitting.or(self.0.last()).cloned()
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.signature_schemes())
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(schemes)
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Believes every certificate, and checks that the peer has its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
