//! What `plugin_customization.ini` may hold, as a table.
//!
//! Source: `docs/domain/client-provisioning.md` 4, `docs/domain/saml.md` 7.

use super::values::{CONNECTION_TYPES, Kind, Row};

/// The groups whose keys are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// The default community.
    Community,
    /// Logging in and coming back.
    Login,
    /// Where further settings come from.
    ManagedSettings,
}

impl Group {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Community => "com.ibm.collaboration.realtime.community",
            Self::Login => "com.ibm.collaboration.realtime.login",
            Self::ManagedSettings => "com.ibm.rcp.managedsettings.provider.file",
        }
    }
}

const fn row(
    option: &'static str,
    place: Group,
    name: &'static str,
    kind: Kind,
    help: &'static str,
) -> Row<Group> {
    Row {
        option,
        name,
        place,
        kind,
        help,
    }
}

const MILLISECONDS: Kind = Kind::Number {
    min: 0,
    max: 86_400_000,
    unit: "ms",
};

/// Stands for the community's host at the beginning of a key.
pub(super) const OF_HOST: &str = "<host>";

/// The documented keys but `host`, which every file has, `proxyPassword`, which is no option's value, and those of
/// the alternate routes.
pub(crate) const ROWS: &[Row<Group>] = &[
    row(
        "port",
        Group::Community,
        "port",
        Kind::Port,
        "Port [default: the server's own]",
    ),
    row(
        "connection-type",
        Group::Community,
        "connectionType",
        Kind::Word(CONNECTION_TYPES),
        "direct, tls-direct, http-direct, http-proxy, https-proxy, socks4-proxy, socks5-proxy, reverse-proxy or \
         useBrowserSettings [default: tls-direct if the server takes TLS]",
    ),
    row(
        "name",
        Group::Community,
        "name",
        Kind::Text,
        "Name of the community",
    ),
    row(
        "proxy-host",
        Group::Community,
        "proxyHost",
        Kind::Proxy,
        "Proxy; for a reverse-proxy its address",
    ),
    row(
        "proxy-port",
        Group::Community,
        "proxyPort",
        Kind::Port,
        "Port of the proxy",
    ),
    row(
        "proxy-user",
        Group::Community,
        "proxyUserName",
        Kind::Text,
        "User name at the proxy",
    ),
    row(
        "proxy-resolves-locally",
        Group::Community,
        "proxyResolvesLocally",
        Kind::Bool,
        "Look the host name up on the client, not at the proxy",
    ),
    row(
        "keep-alive",
        Group::Community,
        "keepAlive",
        Kind::Bool,
        "Send keep-alives [client's default: true]",
    ),
    row(
        "keep-alive-interval",
        Group::Community,
        "keepAliveInterval",
        Kind::Number {
            min: 1,
            max: 86400,
            unit: "s",
        },
        "Seconds between keep-alives [client's default: 60]",
    ),
    row(
        "login-by-token",
        Group::Community,
        "loginByToken",
        Kind::Bool,
        "Log in by token, or by password if there is one",
    ),
    row(
        "token-login-only",
        Group::Community,
        "tokenLoginOnly",
        Kind::Bool,
        "Log in by token and never by password",
    ),
    row(
        "login-token-refresh-interval",
        Group::Community,
        "loginTokenRefreshInterval",
        MILLISECONDS,
        "Milliseconds after which a new token is fetched [client's default: 900000]",
    ),
    row(
        "auth-server-url",
        Group::Community,
        "authServerUrl",
        Kind::Url,
        "Address of the single sign-on server",
    ),
    row(
        "default-auth-type",
        Group::Community,
        "defaultAuthType",
        Kind::Word(&["ST-DOMINO-SSO", "SAML"]),
        "Kind of single sign-on: ST-DOMINO-SSO or SAML",
    ),
    row(
        "saml-trusted-sites",
        Group::Community,
        "samlTrustedSites",
        Kind::Urls,
        "Addresses that a SAML login may be led through",
    ),
    row(
        "saml-communities",
        Group::Community,
        "samlCommunities",
        Kind::Hosts,
        "Hosts of the communities that use SAML",
    ),
    row(
        "idp",
        Group::Community,
        "<host>.idp",
        Kind::Url,
        "Address of the identity provider, with its target",
    ),
    row(
        "idp-type",
        Group::Community,
        "<host>.idp.type",
        Kind::Word(&["Browser", "Form"]),
        "Browser: the provider's page is shown; Form: the client asks for name and password",
    ),
    row(
        "idp-form-username-tag",
        Group::Community,
        "<host>.idp.form.username.tag",
        Kind::Text,
        "Id or name of the provider's field for the user name",
    ),
    row(
        "idp-form-password-tag",
        Group::Community,
        "<host>.idp.form.password.tag",
        Kind::Text,
        "Id or name of the provider's field for the password",
    ),
    row(
        "idp-form-submit-tag",
        Group::Community,
        "<host>.idp.form.submit.tag",
        Kind::Text,
        "Id or name of the provider's button",
    ),
    row(
        "save-password",
        Group::Community,
        "savePassword",
        Kind::Bool,
        "Keep the password [client's default: false]",
    ),
    row(
        "kiosk-mode",
        Group::Community,
        "kioskMode",
        Kind::Bool,
        "The machine is shared by several people",
    ),
    row(
        "logout-when-idle",
        Group::Community,
        "logoutWhenIdle",
        Kind::Bool,
        "Log out when nobody uses the machine",
    ),
    row(
        "logout-when-idle-override",
        Group::Community,
        "logoutWhenIdleOverride",
        Kind::Bool,
        "Whether users may change that",
    ),
    row(
        "logout-when-locked",
        Group::Community,
        "logoutWhenLocked",
        Kind::Bool,
        "Log out when the screen is locked",
    ),
    row(
        "logout-when-locked-override",
        Group::Community,
        "logoutWhenLockedOverride",
        Kind::Bool,
        "Whether users may change that",
    ),
    // The spelling is the client's.
    row(
        "try-last-successful-first",
        Group::Community,
        "tryLastSuccesfulConfigFirst",
        Kind::Bool,
        "With --route: begin with the route that worked last",
    ),
    row(
        "auto-login",
        Group::Login,
        "autoLogin",
        Kind::Bool,
        "Log in when the client starts",
    ),
    row(
        "auto-reconnect",
        Group::Login,
        "enableAutoReconnect",
        Kind::Bool,
        "Come back after a lost connection [client's default: true]",
    ),
    row(
        "auto-reconnect-interval",
        Group::Login,
        "autoReconnectAttemptInterval",
        MILLISECONDS,
        "Milliseconds between attempts to come back [client's default: 20000]",
    ),
    row(
        "auto-reconnect-attempts",
        Group::Login,
        "autoReconnectAttempts",
        Kind::Number {
            min: -1,
            max: 1_000_000,
            unit: "",
        },
        "Attempts to come back, -1 for ever [client's default: -1]",
    ),
    row(
        "verify-connection",
        Group::Login,
        "verifyConnectionPriorToLogin",
        Kind::Bool,
        "Look whether the server can be reached before logging in",
    ),
    row(
        "allow-save",
        Group::Login,
        "allowSave",
        Kind::Bool,
        "Whether users may save the password",
    ),
    row(
        "disable-host-name",
        Group::Login,
        "disableHostName",
        Kind::Bool,
        "Keep users from changing the host",
    ),
    row(
        "managed-settings-url",
        Group::ManagedSettings,
        "URL",
        Kind::Url,
        "Address of managed-settings.xml",
    ),
];

/// Keys of an alternate route to the same community, after `altCommunityConfig.<id>.`
pub(crate) const ROUTE_ROWS: &[(&str, Kind)] = &[
    ("targetCommunityHost", Kind::Host),
    ("enabled", Kind::Bool),
    (
        "weight",
        Kind::Number {
            min: 0,
            max: 1_000_000,
            unit: "",
        },
    ),
    (
        "type",
        Kind::Word(&["preDefaultConfig", "postDefaultConfig"]),
    ),
    (
        "attemptCount",
        Kind::Number {
            min: 0,
            max: 1_000_000,
            unit: "",
        },
    ),
    ("fallbackOnly", Kind::Bool),
    ("host", Kind::Host),
    ("port", Kind::Port),
    ("connectionType", Kind::Word(CONNECTION_TYPES)),
    ("proxyHost", Kind::Proxy),
    ("proxyPort", Kind::Port),
    ("authType", Kind::Text),
];
