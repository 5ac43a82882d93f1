//! Names that other servers of the family document and this version does not use: kept and noted, because
//! administrators carry tuning from older servers.
//!
//! Source: `docs/domain/config-files.md` 1, `docs/domain/ldap.md` 9, `docs/domain/operations.md` 4.

/// Sections with their keys.
pub(crate) const SETTINGS: &[(&str, &[&str])] = &[
    (
        "Config",
        &[
            "VPS_ALLOWED_LOGIN_TYPES",
            "VPS_PREFERRED_LOGIN_TYPES",
            "VPS_EXCLUDED_LOGIN_TYPES",
            "VPS_HOST",
            "VP_SECURITY_LEVEL",
            "ST_MINIMAL_CLIENT_VERSION",
            "ST_RESOLVE_WHITELIST",
            "ST_RESOLVE_BLACKLIST",
            "ST_JAVA_CLASS_PATH",
            "ST_JAVA_CUSTOM_PATH",
            "ST_LOG_ALL_CHATS",
            "CHAT_LOGGING_MANDATORY",
            "REMOTE_CHATLOGGING",
            "NC_ID_TASK_CASE_INSENSITIVE",
            "STSAML_REQUIRE_SIGNED_RESPONSE",
            "STSAML_TRUSTED_AUDIENCES",
        ],
    ),
    ("Connectivity", &["VPS_HOST"]),
    (
        "Directory",
        &[
            "DirectoryType",
            "ST_DB_LDAP_SSL_ONLY_FOR_PASSWORDS",
            "ST_DB_LDAP_CONNECTIONS_NUMBER",
            "ST_DB_LDAP_PENDING_MAX",
            "ST_DB_LDAP_PENDING_LOW",
            "ST_DB_LDAP_PENDING_BIND_MAX",
            "ST_DB_LDAP_PENDING_BIND_LOW",
            "ST_DB_LDAP_MAX_RESULTS",
            "ST_DB_LDAP_RESPRAY_INTERVAL",
            "ST_DB_LDAP_KEEPALIVE_INTERVAL",
            "ST_DB_LDAP_ALLOW_SEARCH_ON_DN",
        ],
    ),
    ("ST_BB_NAMES", &["ST_AUTH_TOKEN", "ST_CHAT_LOG"]),
    (
        "Debug",
        &[
            "VPMX_DISABLE_CONFIGURATION_UPDATE",
            "VP_TRACE_ALL",
            "VP_LDAP_TRACE",
            "USERINFO_DEBUG_LEVEL",
            "ST_TRACEFILE_SIZE",
            "ST_TRACEFILE_CNT",
            "VPDIR_IGNORE_BROWSE",
        ],
    ),
    (
        "stconvomap",
        &[
            "CONVOMAP_MAX_DAYS",
            "CONVOMAP_MAX_HOURS",
            "CONVOMAP_READ_LIST_ENABLED",
        ],
    ),
];
