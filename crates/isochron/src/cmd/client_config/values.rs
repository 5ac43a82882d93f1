//! What a client's setting may hold, and what of several settings goes together.
//!
//! Source: `docs/domain/client-provisioning.md`.

use std::net::IpAddr;

/// How a client reaches its server (`client-provisioning.md` 1).
pub(crate) const CONNECTION_TYPES: &[&str] = &[
    "direct",
    TLS_DIRECT,
    "http-direct",
    "http-proxy",
    "https-proxy",
    "socks4-proxy",
    "socks5-proxy",
    REVERSE_PROXY,
    "useBrowserSettings",
];
/// "Direct connection using TLS".
pub(crate) const TLS_DIRECT: &str = "tls-direct";
const REVERSE_PROXY: &str = "reverse-proxy";
/// The types that name a proxy by host and port.
const BY_PROXY: &[&str] = &["http-proxy", "https-proxy", "socks4-proxy", "socks5-proxy"];

/// Characters that the documents forbid in the folder names of a site address (2.1); neither do they stand in
/// host names.
pub(crate) const RESERVED: &[char] = &['&', '\'', '"', '>', '<', '\\', '/', '#', ' '];

/// Bytes of a host name, from its form in the DNS.
const HOST_BYTES_MAX: usize = 253;

/// One setting of a client: the option that writes it and the name it is written under.
#[derive(Debug)]
pub(crate) struct Row<P: 'static> {
    /// The option without its dashes.
    pub(crate) option: &'static str,
    /// The attribute or key in the file.
    pub(crate) name: &'static str,
    /// Which part of the file it stands in.
    pub(crate) place: P,
    /// What it may hold.
    pub(crate) kind: Kind,
    /// One sentence for the command's help.
    pub(crate) help: &'static str,
}

/// Settings with their values, in the order of their table.
pub(crate) type Values<P> = Vec<(&'static Row<P>, String)>;

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A port.
    Port,
    /// A whole number with its unit (empty for counts).
    Number {
        min: i64,
        max: i64,
        unit: &'static str,
    },
    /// A host name or address.
    Host,
    /// Host names, separated by commas.
    Hosts,
    /// An address that begins with `https://` or `http://`.
    Url,
    /// Such addresses, separated by commas.
    Urls,
    /// A host name, or an address for a reverse proxy.
    Proxy,
    /// One of some words.
    Word(&'static [&'static str]),
    /// Any text of one line.
    Text,
}

impl Kind {
    /// The value as it is written into the file.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        if text.chars().any(char::is_control) {
            return Err("a value is one line without control characters".to_owned());
        }
        match self {
            Self::Bool => word(text, &["true", "false"]),
            Self::Word(words) => word(text, words),
            Self::Port => number(text, 1, 65535, ""),
            Self::Number { min, max, unit } => number(text, *min, *max, unit),
            Self::Host => host(text),
            Self::Hosts => list(text, host),
            Self::Url => url(text),
            Self::Urls => list(text, url),
            Self::Proxy if text.contains("://") => url(text),
            Self::Proxy => host(text),
            Self::Text if text.trim().is_empty() => Err("a value is not empty".to_owned()),
            Self::Text => Ok(text.to_owned()),
        }
    }

    /// How the value is called in the command's help.
    pub(crate) fn placeholder(&self) -> &'static str {
        match self {
            Self::Bool => "true|false",
            Self::Port => "PORT",
            Self::Number { unit: "", .. } => "NUMBER",
            Self::Number { unit, .. } if *unit == "ms" => "MILLISECONDS",
            Self::Number { .. } => "SECONDS",
            Self::Host => "HOST",
            Self::Hosts => "HOST,…",
            Self::Url => "URL",
            Self::Urls => "URL,…",
            Self::Proxy => "HOST|URL",
            Self::Word(_) => "WORD",
            Self::Text => "TEXT",
        }
    }
}

fn word(text: &str, words: &[&str]) -> Result<String, String> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    found
        .map(|word| (*word).to_owned())
        .ok_or_else(|| format!("\"{text}\" is none of {}", words.join(", ")))
}

fn number(text: &str, min: i64, max: i64, unit: &str) -> Result<String, String> {
    match text.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) && !text.starts_with('+') => {
            Ok(number.to_string())
        }
        _ => {
            let expected = format!("a number from {min} to {max} {unit}");
            Err(format!("\"{text}\" is not {}", expected.trim_end()))
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let why = if text.is_empty() {
        "is empty"
    } else if text.contains("://") {
        "is an address; write the host name alone"
    } else if text.contains(RESERVED) {
        "holds one of & ' \" > < \\ / # or a blank"
    } else if text.contains(':') {
        "holds a colon; the port is a setting of its own"
    } else if !text.is_ascii() {
        "holds other than plain letters; write the form that begins with xn--"
    } else if !text.chars().all(plain) || text.split('.').any(str::is_empty) {
        "is not a host name"
    } else if text.len() > HOST_BYTES_MAX {
        "is longer than a host name can be"
    } else {
        return Ok(text.to_owned());
    };
    Err(format!("\"{text}\" {why}"))
}

fn url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(' ') => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "\"{text}\" is not an address such as https://host/path"
        )),
    }
}

fn list(text: &str, one: fn(&str) -> Result<String, String>) -> Result<String, String> {
    let parts: Result<Vec<_>, _> = text.split(',').map(|part| one(part.trim())).collect();
    Ok(parts?.join(","))
}

/// Something to tell about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The line it is about, counted from 1; 0 for the file as a whole, and for one that is only being made.
    pub(crate) line: u32,
    /// Whether the file does not do what it says; otherwise it is only worth knowing.
    pub(crate) fault: bool,
    /// What it is, and what to write instead.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn fault(line: u32, text: impl Into<String>) -> Self {
        Self {
            line,
            fault: true,
            text: text.into(),
        }
    }

    pub(crate) fn note(line: u32, text: impl Into<String>) -> Self {
        Self {
            line,
            fault: false,
            text: text.into(),
        }
    }
}

/// What the settings of one connection say together. `get` gives a setting's value by its name in the file.
pub(crate) fn check_connection<'a>(
    line: u32,
    get: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fault = |text: String| findings.push(Finding::fault(line, text));
    let (kind, proxy, port) = (get("connectionType"), get("proxyHost"), get("proxyPort"));
    match kind {
        Some(REVERSE_PROXY) => match proxy {
            None => fault("reverse-proxy needs proxyHost, the address of the proxy".to_owned()),
            Some(proxy) if !proxy.contains("://") => fault(format!(
                "proxyHost of a reverse-proxy is an address: https://{proxy}/…"
            )),
            Some(_) => {}
        },
        Some(kind) if BY_PROXY.contains(&kind) => {
            if proxy.is_none() || port.is_none() {
                fault(format!("{kind} needs proxyHost and proxyPort"));
            }
            if proxy.is_some_and(|proxy| proxy.contains("://")) {
                fault(format!(
                    "proxyHost of {kind} is a host name, not an address"
                ));
            }
        }
        Some(kind) if proxy.is_some() || port.is_some() => fault(format!(
            "proxyHost and proxyPort have no effect with {kind}"
        )),
        None if proxy.is_some() || port.is_some() => {
            fault("proxyHost and proxyPort have no effect without connectionType".to_owned())
        }
        _ => {}
    }
    let keep_alive = get("sendKeepAlive").or_else(|| get("keepAlive"));
    if keep_alive == Some("false") && get("keepAliveInterval").is_some() {
        fault("keepAliveInterval has no effect where no keep-alive is sent".to_owned());
    }
    for name in ["proxyHost", "authServerUrl"] {
        if get(name).is_some_and(|value| value.starts_with("http://")) {
            findings.push(Finding::note(
                line,
                format!(
                    "{name} is not https: who can change what is sent there can take over the login"
                ),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_the_client_reads_it() {
        for (kind, text, expected) in [
            (Kind::Bool, "TRUE", Some("true")),
            (Kind::Bool, "1", None),
            (Kind::Port, "1533", Some("1533")),
            (Kind::Port, "0", None),
            (Kind::Port, "65536", None),
            (Kind::Port, "+1", None),
            (
                Kind::Word(CONNECTION_TYPES),
                "TLS-Direct",
                Some("tls-direct"),
            ),
            (
                Kind::Word(CONNECTION_TYPES),
                "usebrowsersettings",
                Some("useBrowserSettings"),
            ),
            (Kind::Word(CONNECTION_TYPES), "tls", None),
            (Kind::Host, "chat.example.com", Some("chat.example.com")),
            (Kind::Host, "::1", Some("::1")),
            (Kind::Host, "chat.example.com:1533", None),
            (Kind::Host, "https://chat.example.com", None),
            (Kind::Host, "chat/example", None),
            (Kind::Host, "a & b", None),
            (Kind::Host, "münchen.example", None),
            (Kind::Host, "a..b", None),
            (Kind::Host, "", None),
            (
                Kind::Hosts,
                "a.example, b.example",
                Some("a.example,b.example"),
            ),
            (Kind::Hosts, "a.example,", None),
            (
                Kind::Url,
                "https://idp.example/x",
                Some("https://idp.example/x"),
            ),
            (Kind::Url, "idp.example/x", None),
            (Kind::Url, "https:///x", None),
            (Kind::Proxy, "proxy.example", Some("proxy.example")),
            (
                Kind::Proxy,
                "https://p.example/",
                Some("https://p.example/"),
            ),
            (Kind::Text, "a\nb", None),
            (Kind::Text, " ", None),
            (
                Kind::Number {
                    min: -1,
                    max: 9,
                    unit: "",
                },
                "-1",
                Some("-1"),
            ),
        ] {
            assert_eq!(kind.read(text).ok().as_deref(), expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn a_proxy_goes_with_a_type_that_has_one() {
        for (pairs, faults) in [
            (&[("connectionType", "tls-direct")][..], 0),
            (&[("connectionType", "tls-direct"), ("proxyHost", "p")], 1),
            (&[("proxyHost", "p"), ("proxyPort", "1")], 1),
            (&[("connectionType", "socks5-proxy")], 1),
            (
                &[
                    ("connectionType", "socks5-proxy"),
                    ("proxyHost", "p"),
                    ("proxyPort", "1080"),
                ],
                0,
            ),
            (
                &[("connectionType", "reverse-proxy"), ("proxyHost", "p")],
                1,
            ),
            (
                &[
                    ("connectionType", "reverse-proxy"),
                    ("proxyHost", "https://p/"),
                ],
                0,
            ),
            (
                &[("sendKeepAlive", "false"), ("keepAliveInterval", "60")],
                1,
            ),
        ] {
            let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            let found = check_connection(0, get);
            assert_eq!(
                found.iter().filter(|finding| finding.fault).count(),
                faults,
                "{pairs:?} {found:?}"
            );
        }
    }
}
