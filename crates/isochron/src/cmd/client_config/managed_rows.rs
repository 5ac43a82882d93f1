//! What `managed-community-configs.xml` may hold, as a table.
//!
//! Source: `docs/domain/client-provisioning.md` 2.2.

use super::values::{CONNECTION_TYPES, Kind, Row};

/// The attribute that renames a host.
pub(super) const NEW_HOST: &str = "newHost";
/// The sample's spelling; the table of the same manual has `useGlobalConnContext` (`client-provisioning.md` 7.1).
pub(crate) const USE_GLOBAL: &str = "useGlobalConnSettings";

/// Which element an attribute stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `<managed-communities>`.
    All,
    /// `<managed-community>`.
    Community,
    /// `<connection>` inside a community. As in the vendor's sample; on the community itself it is read as well.
    Connection,
    /// `<managed-community-action>`, of this type only if one is named.
    Action(Option<ActionKind>),
}

/// What a client does with a community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ActionKind {
    /// Add it as a further community
    Add,
    /// Change communities whose host is the same
    Update,
    /// Remove it, unless it is the default one
    Delete,
    /// Make it the new default community; nothing else is done then
    Reset,
}

impl ActionKind {
    pub(super) const ALL: [Self; 4] = [Self::Add, Self::Update, Self::Delete, Self::Reset];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Reset => "reset",
        }
    }
}

const fn row(
    option: &'static str,
    name: &'static str,
    place: Place,
    kind: Kind,
    help: &'static str,
) -> Row<Place> {
    Row {
        option,
        name,
        place,
        kind,
        help,
    }
}

/// Every documented attribute but `id`, `host` and those of an action that name it.
pub(crate) const ROWS: &[Row<Place>] = &[
    row(
        "delete-overlapping-communities",
        "deleteOverlappingCommunities",
        Place::All,
        Kind::Bool,
        "Merge duplicates that appear when several hosts are renamed to one",
    ),
    row(
        "new-host",
        NEW_HOST,
        Place::Community,
        Kind::Host,
        "Rename the community's host; contact lists are assumed to stay valid",
    ),
    row(
        "name",
        "name",
        Place::Community,
        Kind::Text,
        "Name of the community; better set ST_COMMUNITY_ID on the server",
    ),
    row(
        "save-password",
        "savePassword",
        Place::Community,
        Kind::Bool,
        "Keep the password",
    ),
    row(
        "login-at-startup",
        "loginAtStartup",
        Place::Community,
        Kind::Bool,
        "Log in when the client starts",
    ),
    row(
        "use-global-connection",
        USE_GLOBAL,
        Place::Community,
        Kind::Bool,
        "Use the client's global connection settings instead of the community's own",
    ),
    row(
        "port",
        "port",
        Place::Community,
        Kind::Port,
        "Port [default: the server's own]",
    ),
    row(
        "auth-server-url",
        "authServerUrl",
        Place::Community,
        Kind::Url,
        "Address of the single sign-on server",
    ),
    row(
        "auth-type",
        "authType",
        Place::Community,
        Kind::Word(&["TAM-SPNEGO", "ST-DOMINO-SSO", "SAML"]),
        "Kind of single sign-on: TAM-SPNEGO, ST-DOMINO-SSO or SAML",
    ),
    row(
        "login-by-token",
        "loginByToken",
        Place::Community,
        Kind::Bool,
        "Log in by token, or by password if there is one",
    ),
    row(
        "send-keep-alive",
        "sendKeepAlive",
        Place::Community,
        Kind::Bool,
        "Send keep-alives",
    ),
    row(
        "keep-alive-interval",
        "keepAliveInterval",
        Place::Community,
        Kind::Number {
            min: 1,
            max: 86400,
            unit: "s",
        },
        "Seconds between keep-alives",
    ),
    row(
        "connection-type",
        "connectionType",
        Place::Connection,
        Kind::Word(CONNECTION_TYPES),
        "direct, tls-direct, http-direct, http-proxy, https-proxy, socks4-proxy, socks5-proxy, reverse-proxy or \
         useBrowserSettings [default: tls-direct if the server takes TLS]",
    ),
    row(
        "proxy-host",
        "proxyHost",
        Place::Connection,
        Kind::Proxy,
        "Proxy; for a reverse-proxy its address",
    ),
    row(
        "proxy-port",
        "proxyPort",
        Place::Connection,
        Kind::Port,
        "Port of the proxy",
    ),
    row(
        "restart",
        "restart",
        Place::Action(None),
        Kind::Bool,
        "Ask for a restart after any change, or never [default: the client asks after a change of the host]",
    ),
    row(
        "apply-default-community-username",
        "applyDefaultCommunityUsername",
        Place::Action(Some(ActionKind::Add)),
        Kind::Bool,
        "With --action add: take the user name of the default community",
    ),
    row(
        "create-new-config",
        "createNewConfig",
        Place::Action(Some(ActionKind::Reset)),
        Kind::Bool,
        "With --action reset: empty user name and password instead of keeping them and the connection",
    ),
];
