//! What `StCommunityConfig.xml` says.
//!
//! Source: `docs/domain/config-files.md` 2, `docs/domain/ldap.md` 3.

use std::time::Duration;

use crate::Origin;
use crate::loader::{Faulted, Loader};
use crate::scoped::{Scoped, Secret};
use crate::settings::{self, directory as rows};
use crate::xml::{self, Reader, Schema, Tree, XmlFile};

/// The port of LDAP without TLS; with TLS enabled, another one in its place may be meant as the port for TLS.
const PLAIN_PORT: u16 = 389;
/// The port of LDAP with TLS.
const TLS_PORT: u16 = 636;

pub(crate) const SCHEMA: Schema = Schema {
    root: rows::ROOT,
    records: &[rows::CONNECTION],
    structure: &["CommunityServices", "LDAP"],
};

/// What the file says; without a file, the defaults and no directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The directories in the order in which they are searched.
    pub connections: Vec<Connection>,
    /// How long what is known of the directory is good.
    pub directory_refresh: Scoped<Duration>,
    /// After what time the file is read anew at the latest.
    pub config_refresh: Scoped<Duration>,
}

/// How deep a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchScope {
    /// The base itself.
    Base,
    /// What is directly below the base.
    OneLevel,
    /// Everything below the base.
    Recursive,
}

/// How to find people or groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Where to start; the whole directory if not set.
    pub base: Option<Scoped<String>>,
    /// The filter; `%s` stands for what was typed.
    pub filter: Scoped<String>,
    /// How deep.
    pub scope: Scoped<SearchScope>,
    /// The object class that makes an entry a person or a group.
    pub object_class: Scoped<String>,
    /// The attribute that is the name shown.
    pub name_attribute: Scoped<String>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where its element stands.
    pub origin: Origin,
    /// Its host.
    pub host: Scoped<String>,
    /// Whether TLS is used.
    pub ssl_enabled: Scoped<bool>,
    /// The port to connect to: of TLS if that is used.
    pub port: Scoped<u16>,
    /// The service account; anonymous if not set.
    pub bind_dn: Option<Scoped<String>>,
    /// Its password.
    pub bind_password: Option<Scoped<Secret>>,
    /// When it is searched, the lowest first.
    pub search_order: Scoped<u32>,
    /// Finding people.
    pub people: Search,
    /// Finding groups.
    pub groups: Search,
    /// From a login name to the one DN.
    pub user_dn_filter: Scoped<String>,
    /// The attribute that is a user's internal id; the DN if not set.
    pub user_id_attribute: Option<Scoped<String>>,
    /// The attribute with the mail address.
    pub email_attribute: Scoped<String>,
    /// The attribute with a group's members.
    pub group_member_attribute: Scoped<String>,
    /// The filter or the attribute that tells a user's groups.
    pub group_membership: Scoped<String>,
}

/// Reads the file; `None` if a fault was recorded.
pub(crate) fn read(loader: &mut Loader, file: Option<&XmlFile>) -> Option<Directory> {
    let tree = xml::parse(file, &SCHEMA);
    let tree = tree.map_err(|fault| loader.push_fault(*fault)).ok()?;
    tree.note_unknown(loader, &settings::directory_area().entries);
    let mut root = Reader {
        tree: &tree,
        record: tree.root()?,
        loader,
    };
    let directory_refresh = root.get(&rows::DIR_REFRESH_INTERVAL);
    let config_refresh = root.get(&rows::CONFIG_REFRESH_INTERVAL);
    let connections: Vec<_> = tree
        .all(rows::CONNECTION)
        .map(|(_, record)| {
            let tree = &tree;
            connection(Reader {
                tree,
                record,
                loader,
            })
        })
        .collect();
    let mut connections: Vec<Connection> =
        connections.into_iter().collect::<Result<_, _>>().ok()?;
    if let Some(first) = connections.first() {
        loader.note(
            "the LDAP directory is not served by this version: people and groups come from the embedded directory, \
             and `isochron tls test ldap` is all that uses this file",
            first.origin.clone(),
        );
    }
    in_order(loader, &tree, &mut connections);
    Some(Directory {
        connections,
        directory_refresh: directory_refresh.ok()?,
        config_refresh: config_refresh.ok()?,
    })
}

fn connection(mut reader: Reader<'_>) -> Result<Connection, Faulted> {
    // All values first, so that all faults are met; `?` on a missing one comes after.
    let host = reader.get(&rows::HOST_NAME);
    let ssl_enabled = reader.get(&rows::SSL_ENABLED);
    let plain_port = reader.get(&rows::PLAIN_PORT);
    let ssl_port = reader.get(&rows::SSL_PORT);
    let bind_dn = reader.optional(&rows::BIND_DN);
    let bind_password = reader.optional(&rows::BIND_PASSWORD);
    let search_order = reader.get(&rows::SEARCH_ORDER);
    let people = people(&mut reader);
    let groups = groups(&mut reader);
    let user_dn_filter = reader.get(&rows::USER_DN_SEARCH_FILTER);
    let user_id_attribute = reader.optional(&rows::USER_ID_ATTRIBUTE);
    let email_attribute = reader.get(&rows::EMAIL_ATTRIBUTE);
    let group_member_attribute = reader.get(&rows::GROUP_MEMBER_ATTRIBUTE);
    let group_membership = reader.get(&rows::GROUP_MEMBERSHIP);
    let organization = reader.optional(&rows::ORGANIZATION_NAME);

    if let Some(organization) = organization? {
        let note =
            organization.note("OrganizationName is deprecated, and a value can prevent logins");
        reader.loader.push_note(note);
    }
    let (ssl_enabled, plain_port) = (ssl_enabled?, plain_port?);
    let port = port_in_use(&mut reader, &ssl_enabled, plain_port, ssl_port?);
    Ok(Connection {
        origin: reader.tree.origin(reader.record.line),
        host: host?,
        ssl_enabled,
        port,
        bind_dn: bind_dn?,
        bind_password: bind_password?,
        search_order: search_order?,
        people: people?,
        groups: groups?,
        user_dn_filter: user_dn_filter?,
        user_id_attribute: user_id_attribute?,
        email_attribute: email_attribute?,
        group_member_attribute: group_member_attribute?,
        group_membership: group_membership?,
    })
}

fn people(reader: &mut Reader<'_>) -> Result<Search, Faulted> {
    let base = reader.optional(&rows::PERSON_RESOLVE_BASE);
    let filter = reader.get(&rows::PERSON_RESOLVE_FILTER);
    let scope = reader.get(&rows::PERSON_RESOLVE_SCOPE);
    let object_class = reader.get(&rows::PERSON_OBJECT_CLASS);
    let name_attribute = reader.get(&rows::NAME_ATTRIBUTE);
    Ok(Search {
        base: base?,
        filter: filter?,
        scope: scope?,
        object_class: object_class?,
        name_attribute: name_attribute?,
    })
}

fn groups(reader: &mut Reader<'_>) -> Result<Search, Faulted> {
    let base = reader.optional(&rows::GROUP_RESOLVE_BASE);
    let filter = reader.get(&rows::GROUP_RESOLVE_FILTER);
    let scope = reader.get(&rows::GROUP_RESOLVE_SCOPE);
    let object_class = reader.get(&rows::GROUP_OBJECT_CLASS);
    let name_attribute = reader.get(&rows::GROUP_NAME_ATTRIBUTE);
    Ok(Search {
        base: base?,
        filter: filter?,
        scope: scope?,
        object_class: object_class?,
        name_attribute: name_attribute?,
    })
}

/// The port to connect to. With TLS that is `SSLPort`; where it is not set and `Port` is not the plain one, `Port` is
/// meant.
///
/// Source: `docs/domain/ldap.md` 14.8.
pub(crate) fn port_in_use(
    reader: &mut Reader<'_>,
    ssl_enabled: &Scoped<bool>,
    plain: Scoped<u16>,
    ssl: Scoped<u16>,
) -> Scoped<u16> {
    if ssl_enabled.value {
        return match ssl.is_default() && plain.value != PLAIN_PORT {
            true => plain,
            false => ssl,
        };
    }
    if plain.value == TLS_PORT {
        let text = format!(
            "{} is {TLS_PORT}, the port of LDAP with TLS, but {} is off, so nothing is encrypted",
            plain.name, ssl_enabled.name
        );
        reader.loader.push_note(plain.note(text));
    }
    plain
}

/// Sorts by search order; directories that share a number keep the order of the file.
fn in_order(loader: &mut Loader, tree: &Tree, connections: &mut [Connection]) {
    connections.sort_by_key(|connection| connection.search_order.value);
    for pair in connections.windows(2) {
        if let [first, second] = pair
            && first.search_order.value == second.search_order.value
        {
            let line = |connection: &Connection| match connection.origin {
                Origin::File { line, .. } => line,
                _ => 0,
            };
            let text = format!(
                "the SearchOrder {} is also that of the <Connection> in line {}, which is searched first; each has \
                 its own",
                first.search_order.value,
                line(first)
            );
            loader.note(&text, tree.origin(line(second)));
        }
    }
}
