//! `StCommunityConfig.xml`: the directories.
//!
//! Source: `docs/domain/ldap.md` 3, `docs/domain/config-files.md` 2.

use std::time::Duration;

use super::{Area, Kind, Names, Row, Setting};
use crate::directory::SearchScope;
use crate::scoped::Secret;

/// The element of a directory.
pub(crate) const CONNECTION: &str = "Connection";
/// The file as a whole.
pub(crate) const ROOT: &str = "StCommunityConfig";

/// A row of an attribute that a reload reads anew. The first name is the one to write.
pub(super) const fn attribute(
    names: &'static [&'static str],
    elements: &'static [&'static str],
    default: Option<&'static str>,
    meaning: &'static str,
    source: &'static str,
) -> Row {
    Row {
        names: Names::Attribute(names),
        sections: elements,
        default,
        reloadable: true,
        meaning,
        source,
    }
}

const fn connection(
    names: &'static [&'static str],
    default: Option<&'static str>,
    meaning: &'static str,
) -> Row {
    attribute(names, &[CONNECTION], default, meaning, "ldap.md 3")
}

pub(super) const HOST: Kind<String> = Kind::Other {
    expected: "a host name or an address",
    parse: |text| {
        let strange = |c: char| c.is_whitespace() || "\"'“”„‘’".contains(c);
        match text {
            "" => Err("is missing".to_owned()),
            url if url.contains("://") => Err("is a URL, not a host name".to_owned()),
            name if name.contains(strange) => Err("is no host name".to_owned()),
            name => Ok(name.to_owned()),
        }
    },
};

pub(super) const PORT: Kind<u16> = Kind::Number {
    min: 1,
    max: 65535,
    unit: "",
    make: |port| port as u16,
};

pub(super) const YES_NO: Kind<bool> = Kind::Word(&[
    ("0", false),
    ("1", true),
    ("false", false),
    ("true", true),
    ("no", false),
    ("yes", true),
]);

pub(super) const TEXT: Kind<String> = Kind::Other {
    expected: "a text",
    parse: |text| Ok(text.to_owned()),
};

pub(super) const ATTRIBUTE: Kind<String> = Kind::Other {
    expected: "the name of an attribute of the directory",
    parse: parse_attribute,
};

pub(super) const CLASS: Kind<String> = Kind::Other {
    expected: "the name of an object class of the directory",
    parse: parse_attribute,
};

pub(super) const FILTER: Kind<String> = Kind::Other {
    expected: "a search filter, in which %s stands for what was typed",
    parse: parse_filter,
};

pub(super) const PASSWORD: Kind<Secret> = Kind::Other {
    expected: "a password",
    parse: |text| Ok(Secret::new(text.to_owned())),
};

const SCOPE: Kind<SearchScope> = Kind::Word(&[
    ("recursive", SearchScope::Recursive),
    ("onelevel", SearchScope::OneLevel),
]);

const MINUTES: Kind<Duration> = Kind::Number {
    min: 1,
    max: 7 * 24 * 60,
    unit: "minutes",
    make: |minutes| Duration::from_secs(minutes * 60),
};

/// The rows of an element, as constants of this module.
macro_rules! rows {
    ($($name:ident: $type:ty = $kind:expr, $row:expr;)*) => {
        $(pub(crate) const $name: Setting<$type> = Setting { row: $row, kind: $kind };)*

        fn entries() -> Vec<super::Entry> {
            vec![$($name.entry()),*]
        }
    };
}

rows! {
    HOST_NAME: String = HOST, connection(&["HostName"], None,
        "Name of the directory, or of the load balancer in front of it.");
    PLAIN_PORT: u16 = PORT, connection(&["Port"], Some("389"), "Port without TLS.");
    SSL_ENABLED: bool = YES_NO, connection(&["SSLEnabled"], Some("0"), "Whether TLS is used.");
    SSL_PORT: u16 = PORT, connection(&["SSLPort"], Some("636"),
        "Port with TLS. Not set while Port is something else than 389, that one is used.");
    BIND_DN: String = TEXT, connection(&["BindEntryDn"], None,
        "Service account, as DN or in mail form; without it the directory is searched anonymously.");
    BIND_PASSWORD: Secret = PASSWORD, connection(&["BindEntryPassword", "BindEntryPwd"], None,
        "Password of the service account, in clear text.");
    SEARCH_ORDER: u32 = Kind::Number { min: 0, max: 9999, unit: "", make: |number| number as u32 },
        connection(&["SearchOrder"], Some("1"),
        "Order in which directories are searched, the lowest first; each has its own.");
    ORGANIZATION_NAME: String = TEXT, connection(&["OrganizationName"], None,
        "Deprecated; a value can prevent logins.");
    PERSON_RESOLVE_BASE: String = TEXT, connection(&["PersonResolveBase"], None,
        "Base DN for people; none stands for the whole directory.");
    PERSON_RESOLVE_FILTER: String = FILTER, connection(&["PersonResolveFilter"],
        Some("(&(objectclass=organizationalPerson)(|(cn=%s*)(givenname=%s*)(sn=%s*)(mail=%s*)))"),
        "Filter that finds people by what was typed.");
    PERSON_RESOLVE_SCOPE: SearchScope = SCOPE, connection(&["PersonResolveScope"], Some("recursive"),
        "How deep people are searched below the base.");
    GROUP_RESOLVE_BASE: String = TEXT, connection(&["GroupResolveBase"], None,
        "Base DN for groups; leave it empty with Domino, whose groups are flat.");
    GROUP_RESOLVE_FILTER: String = FILTER, connection(&["GroupResolveFilter"],
        Some("(&(objectclass=groupOfNames)(cn=%s*))"),
        "Filter that finds groups by name.");
    GROUP_RESOLVE_SCOPE: SearchScope = SCOPE, connection(&["GroupResolveScope"], Some("recursive"),
        "How deep groups are searched below the base.");
    USER_ID_ATTRIBUTE: String = ATTRIBUTE, connection(&["UserIdAttribute"], None,
        "Attribute that is the internal id of a user; without it the DN is.");
    NAME_ATTRIBUTE: String = TEXT, connection(&["NameAttribute"], Some("cn"),
        "Attribute that is the display name.");
    DESC_ATTRIBUTE: String = TEXT, connection(&["DescAttribute"], None, "Not in use.");
    GROUP_NAME_ATTRIBUTE: String = ATTRIBUTE, connection(&["GroupNameAttribute"], Some("cn"),
        "Attribute that is the name of a group.");
    PERSON_OBJECT_CLASS: String = CLASS, connection(&["PersonObjectClass"], Some("organizationalPerson"),
        "Object class that makes an entry a person.");
    GROUP_OBJECT_CLASS: String = CLASS, connection(&["GroupObjectClass"], Some("groupOfNames"),
        "Object class that makes an entry a group.");
    HOME_SERVER_ATTRIBUTE: String = TEXT, connection(&["HomeServerAttribute"], None,
        "Not in use since release 12.");
    USER_DN_SEARCH_FILTER: String = FILTER, connection(&["UserDnSearchFilter"],
        Some("(&(objectclass=organizationalPerson)(|(cn=%s)(givenname=%s)(sn=%s)(mail=%s)))"),
        "Filter that turns a login name into the one DN it stands for.");
    GROUP_MEMBER_ATTRIBUTE: String = ATTRIBUTE, connection(&["GroupMemberAttribute"], Some("member"),
        "Attribute with the members of a group.");
    EMAIL_ATTRIBUTE: String = ATTRIBUTE, connection(&["EmailAttribute"], Some("mail"),
        "Attribute with the mail address, which is unique for each person.");
    GROUP_MEMBERSHIP: String = FILTER, connection(&["GroupMembership"],
        Some("(&(objectclass=groupOfNames)(member=%s))"),
        "Filter that tells the groups of a user, or an attribute such as memberOf.");
    DIR_REFRESH_INTERVAL: Duration = MINUTES, attribute(&["DirRefreshInterval"], &[ROOT], Some("60"),
        "Minutes after which what is known of the directory is read anew.", "ldap.md 8");
    CONFIG_REFRESH_INTERVAL: Duration = MINUTES, attribute(&["ConfigRefreshInterval"], &[ROOT], Some("60"),
        "Minutes after which this file is read anew at the latest; a change of the file is noticed at once.",
        "ldap.md 8");
}

pub(super) fn area() -> Area {
    Area {
        title: "Directories (StCommunityConfig.xml)",
        file: "StCommunityConfig.xml",
        entries: entries(),
    }
}

fn parse_attribute(text: &str) -> Result<String, String> {
    match text.contains(|c: char| c.is_whitespace() || "()=*\"".contains(c)) {
        true => Err("is no name of the directory's schema".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A filter is checked for its parentheses only: the directory reads the rest, and an attribute or a class reference
/// may stand in its place.
fn parse_filter(text: &str) -> Result<String, String> {
    let mut open = 0_u32;
    for c in text.chars() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return Err("closes a parenthesis that is not open".to_owned()),
            ')' => open -= 1,
            _ => {}
        }
    }
    match open {
        0 => Ok(text.to_owned()),
        _ => Err("has a parenthesis that is not closed".to_owned()),
    }
}
