//! What `UserInfoConfig.xml` says.
//!
//! Source: `docs/domain/ldap.md` 11.

use std::path::PathBuf;

use crate::Origin;
use crate::directory::{SearchScope, port_in_use};
use crate::loader::{Faulted, Loader};
use crate::scoped::{Scoped, Secret};
use crate::settings::{self, user_info as rows};
use crate::xml::{self, Reader, Record, Schema, Tree, XmlFile};

pub(crate) const SCHEMA: Schema = Schema {
    root: rows::ROOT,
    records: &[
        rows::STORAGE,
        rows::STORAGE_DETAILS,
        rows::SSL_PROPERTIES,
        rows::DETAIL,
        rows::SET,
    ],
    structure: &["Resources", "Details", "ParamsSets"],
};

/// What the file says; without a file, nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// Where the fields come from, in search order.
    pub storages: Vec<Storage>,
    /// Which fields are shown to whom.
    pub sets: Vec<FieldSet>,
}

/// A directory that fields come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Where its element stands.
    pub origin: Origin,
    /// Its host.
    pub host: Scoped<String>,
    /// Whether TLS is used.
    pub ssl_enabled: Scoped<bool>,
    /// The port to connect to: of TLS if that is used.
    pub port: Scoped<u16>,
    /// The service account; anonymous if not set.
    pub user_name: Option<Scoped<String>>,
    /// Its password.
    pub password: Option<Scoped<Secret>>,
    /// Where to search.
    pub base_dn: Option<Scoped<String>>,
    /// How deep.
    pub scope: Scoped<SearchScope>,
    /// The filter; `%s` stands for the name.
    pub search_filter: Scoped<String>,
    /// The attribute that is a user's internal id; the DN if not set.
    pub user_id_attribute: Option<Scoped<String>>,
    /// The object class of people.
    pub person_object_class: Option<Scoped<String>>,
    /// What the directory's certificate is checked against; without it, the trust store of the LDAP scope.
    pub trust_store: Option<TrustStore>,
    /// The fields that come from here.
    pub fields: Vec<Field>,
}

/// A store of trusted certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustStore {
    /// The file.
    pub file: Scoped<PathBuf>,
    /// Its password.
    pub password: Option<Scoped<Secret>>,
}

/// A field of the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which one: `MailAddress`.
    pub id: Scoped<String>,
    /// The attributes it is made of.
    pub attributes: Scoped<Vec<String>>,
    /// What stands between several.
    pub separator: Option<Scoped<String>>,
    /// Its media type.
    pub media_type: Scoped<String>,
}

/// Fields that are shown together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSet {
    /// To whom: 0 everybody, 1 users who are logged in.
    pub id: Scoped<u32>,
    /// The fields.
    pub fields: Scoped<Vec<String>>,
}

/// A service account as `UserEncodedAuth` gives it.
#[derive(Debug, Clone)]
pub struct EncodedAuth {
    name: String,
    password: Secret,
}

/// Reads the file; `None` if a fault was recorded.
pub(crate) fn read(loader: &mut Loader, file: Option<&XmlFile>) -> Option<UserInfo> {
    let tree = xml::parse(file, &SCHEMA);
    let tree = tree.map_err(|fault| loader.push_fault(*fault)).ok()?;
    tree.note_unknown(loader, &settings::user_info_area().entries);
    let mut storages = Vec::new();
    for (at, details) in tree.all(rows::STORAGE_DETAILS) {
        storages.push(storage(loader, &tree, at, details));
    }
    let sets: Vec<_> = tree
        .all(rows::SET)
        .map(|(_, record)| {
            let tree = &tree;
            let mut reader = Reader {
                tree,
                record,
                loader,
            };
            let (id, fields) = (reader.get(&rows::SET_ID), reader.get(&rows::PARAMS));
            Ok(FieldSet {
                id: id?,
                fields: fields?,
            })
        })
        .collect();
    let storages: Vec<Option<Storage>> =
        storages.into_iter().collect::<Result<_, Faulted>>().ok()?;
    let storages: Vec<Storage> = storages.into_iter().flatten().collect();
    let sets: Vec<FieldSet> = sets.into_iter().collect::<Result<_, Faulted>>().ok()?;
    if let Some(first) = storages.first() {
        loader.note(
            "business cards are not served by this version; this file is checked and not used",
            first.origin.clone(),
        );
    }
    missing_fields(loader, &storages, &sets);
    Some(UserInfo { storages, sets })
}

/// A storage that is understood: its details, and what stands beside them in the same `<Storage>`.
fn storage(
    loader: &mut Loader,
    tree: &Tree,
    at: usize,
    details: &Record,
) -> Result<Option<Storage>, Faulted> {
    let around = tree.records.get(details.parent);
    if let Some(record) = around.filter(|record| record.element == rows::STORAGE) {
        let mut reader = Reader {
            tree,
            record,
            loader,
        };
        let kind = reader.get(&rows::STORAGE_TYPE)?;
        if !kind.value.eq_ignore_ascii_case("LDAP") {
            let text = format!("a storage of the type \"{}\" is not understood", kind.value);
            loader.push_note(kind.note(text));
            return Ok(None);
        }
    }
    // Beside each other: with the same element around them, and no other details in between.
    let beside = |element| {
        let next = tree
            .all(rows::STORAGE_DETAILS)
            .find(|(other, record)| *other > at && record.parent == details.parent)
            .map_or(usize::MAX, |(other, _)| other);
        tree.all(element)
            .filter(move |(place, record)| {
                record.parent == details.parent && (at..next).contains(place)
            })
            .map(|(_, record)| record)
    };
    let trust_store = beside(rows::SSL_PROPERTIES).next().map(|record| {
        trust_store(Reader {
            tree,
            record,
            loader,
        })
    });
    let fields: Vec<_> = beside(rows::DETAIL)
        .map(|record| {
            field(Reader {
                tree,
                record,
                loader,
            })
        })
        .collect();

    let mut reader = Reader {
        tree,
        record: details,
        loader,
    };
    // All values first, so that all faults are met; `?` on a missing one comes after.
    let host = reader.get(&rows::HOST_NAME);
    let ssl_enabled = reader.get(&rows::SSL_ENABLED);
    let plain_port = reader.get(&rows::PLAIN_PORT);
    let ssl_port = reader.get(&rows::SSL_PORT);
    let account = account(&mut reader);
    let base_dn = reader.optional(&rows::BASE_DN);
    let scope = reader.get(&rows::SCOPE);
    let search_filter = reader.get(&rows::SEARCH_FILTER);
    let user_id_attribute = reader.optional(&rows::USER_ID_ATTRIBUTE);
    let person_object_class = reader.optional(&rows::PERSON_OBJECT_CLASS);

    let ssl_enabled = ssl_enabled?;
    let port = port_in_use(&mut reader, &ssl_enabled, plain_port?, ssl_port?);
    let (user_name, password) = account?;
    Ok(Some(Storage {
        origin: tree.origin(details.line),
        host: host?,
        ssl_enabled,
        port,
        user_name,
        password,
        base_dn: base_dn?,
        scope: scope?,
        search_filter: search_filter?,
        user_id_attribute: user_id_attribute?,
        person_object_class: person_object_class?,
        trust_store: trust_store.transpose()?.flatten(),
        fields: fields.into_iter().collect::<Result<_, _>>()?,
    }))
}

type Account = (Option<Scoped<String>>, Option<Scoped<Secret>>);

/// The service account: in one encoded attribute, or in two.
fn account(reader: &mut Reader<'_>) -> Result<Account, Faulted> {
    let user_name = reader.optional(&rows::USER_NAME);
    let password = reader.optional(&rows::USER_PASSWORD);
    let encoded = reader.optional(&rows::USER_ENCODED_AUTH);
    let (user_name, password) = (user_name?, password?);
    let Some(encoded) = encoded? else {
        return Ok((user_name, password));
    };
    if user_name.is_some() || password.is_some() {
        let note =
            encoded.note("UserEncodedAuth counts, and UserName and Password beside it do not");
        reader.loader.push_note(note);
    }
    let name = encoded.value.name.clone();
    let password = encoded.value.password.clone();
    Ok((
        Some(encoded.clone().map(|_| name)),
        Some(encoded.map(|_| password)),
    ))
}

fn trust_store(mut reader: Reader<'_>) -> Result<Option<TrustStore>, Faulted> {
    let file = reader.optional(&rows::KEY_STORE_PATH);
    let password = reader.optional(&rows::KEY_STORE_PASSWORD);
    let password = password?;
    Ok(file?.map(|file| TrustStore { file, password }))
}

fn field(mut reader: Reader<'_>) -> Result<Field, Faulted> {
    let id = reader.get(&rows::DETAIL_ID);
    let attributes = reader.get(&rows::FIELD_NAME);
    let separator = reader.optional(&rows::DISPLAY_SEPARATOR);
    let media_type = reader.get(&rows::DETAIL_TYPE);
    let id = id?;
    if !rows::FIELDS
        .iter()
        .any(|field| field.eq_ignore_ascii_case(&id.value))
    {
        let text = format!(
            "no client knows the field {}; the known ones are {}",
            id.value,
            rows::FIELDS.join(", ")
        );
        reader.loader.push_note(id.note(text));
    }
    Ok(Field {
        id,
        attributes: attributes?,
        separator: separator?,
        media_type: media_type?,
    })
}

/// Notes on fields that are shown and come from nowhere.
fn missing_fields(loader: &mut Loader, storages: &[Storage], sets: &[FieldSet]) {
    let known = |name: &str| {
        let mut fields = storages.iter().flat_map(|storage| &storage.fields);
        fields.any(|field| field.id.value.eq_ignore_ascii_case(name))
    };
    for set in sets {
        for name in set.fields.value.iter().filter(|name| !known(name)) {
            let text = format!(
                "the set {} shows {name}, for which there is no <Detail>",
                set.id.value
            );
            loader.push_note(set.fields.note(text));
        }
    }
}

/// Reads base64 of `DN:password`. A newline at the end, which `echo` leaves, is not part of the password.
pub(crate) fn decode_auth(text: &str) -> Result<EncodedAuth, String> {
    if text.contains(['“', '”', '„', '‘', '’']) {
        return Err("holds a typographic quote".to_owned());
    }
    let bytes = base64(text).ok_or_else(|| "is not base64".to_owned())?;
    let decoded = String::from_utf8(bytes).map_err(|_| "is not base64 of a text".to_owned())?;
    let decoded = decoded.trim_end_matches(['\r', '\n']);
    match decoded.split_once(':') {
        Some((name, password)) if !name.is_empty() => Ok(EncodedAuth {
            name: name.to_owned(),
            password: Secret::new(password.to_owned()),
        }),
        _ => Err("is not base64 of DN:password".to_owned()),
    }
}

/// The bytes that base64 stands for; blanks and line ends in between do not matter.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    let length = digits
        .iter()
        .rposition(|&c| c != b'=')
        .map_or(0, |at| at + 1);
    let (digits, padding) = digits.split_at(length);
    if digits.len() % 4 == 1 || padding.len() > 2 {
        return None;
    }
    let (mut bits, mut count) = (0_u32, 0);
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_account_is_taken_apart_at_its_first_colon() {
        for (text, expected) in [
            (
                "Y249c3RiaW5kLG89ZXhhbXBsZTpzZWNyZXQ=",
                Ok(("cn=stbind,o=example", "secret")),
            ),
            (
                "Y249c3RiaW5kLG89ZXhhbXBsZTpzZWNyZXQK",
                Ok(("cn=stbind,o=example", "secret")),
            ),
            ("YTpiOmM", Ok(("a", "b:c"))),
            ("“YTpi”", Err("holds a typographic quote")),
            ("cn=stbind:secret", Err("is not base64")),
            ("YWI=", Err("is not base64 of DN:password")),
            ("/w==", Err("is not base64 of a text")),
        ] {
            let found = decode_auth(text);
            let found = found
                .as_ref()
                .map(|auth| (auth.name.as_str(), auth.password.expose()));
            assert_eq!(found.map_err(String::as_str), expected, "{text}");
        }
    }
}
