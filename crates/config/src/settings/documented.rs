//! Names that other servers of the family document and this version does not use: kept and noted, because
//! administrators carry tuning from older servers.
//!
//! Source: `docs/domain/config-files.md` 1, `docs/domain/tls-scopes.md` 4.

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
            "ST_DB_LDAP_PENDING_MAX",
        ],
    ),
    ("ST_BB_NAMES", &["ST_AUTH_TOKEN", "ST_CHAT_LOG"]),
    (
        "Debug",
        &[
            "VPMX_DISABLE_CONFIGURATION_UPDATE",
            "VP_TRACE_ALL",
            "VP_LDAP_TRACE",
            "ST_TLS_DEBUG",
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

/// TLS settings that every scope may have, as the part after the scope's prefix.
pub(crate) const TLS_SUFFIXES: &[&str] = &[
    "TLS_TRUST_STORE_TYPE",
    "TLS_TRUST_STORE_FILE",
    "TLS_TRUST_STORE_PASSWORD",
    "TLS_TRUST_STORE_PASSWORD_STASH_FILE",
    "TLS_KEY_STORE_TYPE",
    "TLS_KEY_STORE_FILE",
    "TLS_KEY_STORE_PASSWORD",
    "TLS_KEY_STORE_PASSWORD_STASH_FILE",
    "TLS_KEY_LABEL",
    "TLS_FIPS_COMPLIANCE",
    "TLS_SECURITY_LEVEL",
    "TLS_MIN_PROTOCOL_VERSION",
    "TLS_MAX_PROTOCOL_VERSION",
    "TLS_CIPHER_SUITES",
    "TLS_CLIENT_AUTH",
    "TLS_TRUSTED_HOSTS",
    "TLS_MIRROR_TRUSTED_HOSTS",
    "TLS_SESSION_CACHE_SIZE",
    "TLS_MAX_SESSION_AGE",
    "TLS_SESSION_CACHE_TIME",
];
