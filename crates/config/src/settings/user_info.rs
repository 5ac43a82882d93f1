//! `UserInfoConfig.xml`: where business cards come from.
//!
//! Source: `docs/domain/ldap.md` 11.

use std::path::PathBuf;

use super::directory::{ATTRIBUTE, CLASS, FILTER, HOST, PASSWORD, PORT, TEXT, YES_NO, attribute};
use super::{Area, Kind, Row, Setting};
use crate::directory::SearchScope;
use crate::scoped::Secret;
use crate::user_info::{EncodedAuth, decode_auth};

/// The file as a whole.
pub(crate) const ROOT: &str = "UserInformation";
/// Where some fields come from.
pub(crate) const STORAGE: &str = "Storage";
/// How to reach it.
pub(crate) const STORAGE_DETAILS: &str = "StorageDetails";
/// What its certificate is checked against.
pub(crate) const SSL_PROPERTIES: &str = "SslProperties";
/// A field of the card.
pub(crate) const DETAIL: &str = "Detail";
/// Fields shown to some users.
pub(crate) const SET: &str = "Set";

/// Fields that clients know.
pub(crate) const FIELDS: [&str; 9] = [
    "MailAddress",
    "Name",
    "Title",
    "Location",
    "Telephone",
    "Company",
    "Photo",
    "ImagePath",
    "PhotoURL",
];

const fn row(
    names: &'static [&'static str],
    elements: &'static [&'static str],
    default: Option<&'static str>,
    meaning: &'static str,
) -> Row {
    attribute(names, elements, default, meaning, "ldap.md 11.1")
}

const fn storage(
    names: &'static [&'static str],
    default: Option<&'static str>,
    meaning: &'static str,
) -> Row {
    row(names, &[STORAGE_DETAILS], default, meaning)
}

const NAMES: Kind<Vec<String>> = Kind::Other {
    expected: "names, separated by commas",
    parse: |text| {
        let names = text.split(',').map(str::trim);
        let names: Vec<String> = names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        match names.is_empty() {
            true => Err("names nothing".to_owned()),
            false => Ok(names),
        }
    },
};

const DEPTH: Kind<SearchScope> = Kind::Word(&[
    ("0", SearchScope::Base),
    ("1", SearchScope::OneLevel),
    ("2", SearchScope::Recursive),
]);

/// The rows of the file, as constants of this module.
macro_rules! rows {
    ($($name:ident: $type:ty = $kind:expr, $row:expr;)*) => {
        $(pub(crate) const $name: Setting<$type> = Setting { row: $row, kind: $kind };)*

        fn entries() -> Vec<super::Entry> {
            vec![$($name.entry()),*]
        }
    };
}

rows! {
    STORAGE_TYPE: String = TEXT, row(&["type"], &[STORAGE], Some("LDAP"),
        "Kind of the storage; LDAP is the only one that is understood.");
    HOST_NAME: String = HOST, storage(&["HostName"], None, "Name of the directory.");
    PLAIN_PORT: u16 = PORT, storage(&["Port"], Some("389"), "Port without TLS.");
    SSL_ENABLED: bool = YES_NO, storage(&["SslEnabled"], Some("false"),
        "Whether TLS is used, whatever StCommunityConfig.xml says.");
    SSL_PORT: u16 = PORT, storage(&["SslPort"], Some("636"),
        "Port with TLS. Not set while Port is something else than 389, that one is used.");
    USER_NAME: String = TEXT, storage(&["UserName"], None,
        "Service account; without it the directory is searched anonymously.");
    USER_PASSWORD: Secret = PASSWORD, storage(&["Password"], None,
        "Password of the service account, in clear text.");
    USER_ENCODED_AUTH: EncodedAuth = Kind::Other { expected: "base64 of DN:password", parse: decode_auth },
        storage(&["UserEncodedAuth"], None,
        "Service account and its password in one: base64 of DN:password, in place of UserName and Password.");
    BASE_DN: String = TEXT, storage(&["BaseDN"], None, "Where to search; none stands for the whole directory.");
    SCOPE: SearchScope = DEPTH, storage(&["Scope"], Some("2"),
        "How deep to search: 0 the base itself, 1 directly below it, 2 everything below it.");
    SEARCH_FILTER: String = FILTER, storage(&["SearchFilter"],
        Some("(&(objectclass=organizationalPerson)(|(cn=%s)(givenname=%s)(sn=%s)(displayName=%s)(mail=%s)))"),
        "Filter that finds a person.");
    USER_ID_ATTRIBUTE: String = ATTRIBUTE, storage(&["UserIdAttribute"], None,
        "Attribute that is the internal id of a user, where that is not the DN.");
    PERSON_OBJECT_CLASS: String = CLASS, storage(&["PersonObjectClass"], None,
        "Object class that makes an entry a person.");
    KEY_STORE_PATH: PathBuf = Kind::Other { expected: "the path of a file", parse: |text| Ok(PathBuf::from(text)) },
        row(&["KeyStorePath"], &[SSL_PROPERTIES], None,
        "Store that the directory's certificate is checked against: a trust store, in spite of its name.");
    KEY_STORE_PASSWORD: Secret = PASSWORD, row(&["KeyStorePassword"], &[SSL_PROPERTIES], None,
        "Password of that store.");
    DETAIL_ID: String = TEXT, row(&["Id"], &[DETAIL], None,
        "Field of the card: MailAddress, Name, Title, Location, Telephone, Company, Photo, ImagePath or PhotoURL.");
    FIELD_NAME: Vec<String> = NAMES, row(&["FieldName"], &[DETAIL], None,
        "Attributes of the directory that the field is made of.");
    DISPLAY_SEPARATOR: String = TEXT, row(&["DisplaySeparator"], &[DETAIL], None,
        "What stands between several attributes.");
    DETAIL_TYPE: String = TEXT, row(&["Type"], &[DETAIL], Some("text/plain"), "Media type of the field.");
    SET_ID: u32 = Kind::Number { min: 0, max: 9999, unit: "", make: |number| number as u32 },
        row(&["SetId"], &[SET], None, "Who sees the fields: 0 everybody, 1 users who are logged in.");
    PARAMS: Vec<String> = NAMES, row(&["params"], &[SET], None, "The fields.");
}

pub(super) fn area() -> Area {
    Area {
        title: "Business cards (UserInfoConfig.xml)",
        file: "UserInfoConfig.xml",
        entries: entries(),
    }
}
