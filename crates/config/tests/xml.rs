//! `StCommunityConfig.xml` and `UserInfoConfig.xml` as administrators bring them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::time::Duration;

use config::directory::{Connection, SearchScope};
use config::user_info::UserInfo;
use config::{
    Config, Faults, IniFile, Note, Sources, XmlFile, effective, explain, load, read_xml, xml_paths,
};

/// The proposed reading in `docs/domain/config-files.md` 2.
const COMMUNITY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- directories -->
<StCommunityConfig>
  <CommunityServices DirRefreshInterval="30" ConfigRefreshInterval="60"/>
  <LDAP>
    <Connection HostName="ldap.example.com" Port="389" SSLEnabled="1" SSLPort="636" SearchOrder="1"
      BindEntryDn="cn=bind,o=example" BindEntryPassword="geheim &amp; &lt;lang&gt;"
      PersonResolveBase="" PersonResolveScope="onelevel"
      PersonResolveFilter="(&amp;(objectclass=person)(cn=%s*))"
      UserIdAttribute="" NameAttribute="cn" EmailAttribute="mail"/>
  </LDAP>
</StCommunityConfig>
"#;

/// As `docs/domain/ldap.md` 11.1 has it.
const CARDS: &str = r#"<UserInformation>
  <Resources>
    <Storage type="LDAP">
      <StorageDetails HostName="ldap.example.com" Port="389" UserName="" Password=""
          UserEncodedAuth="Y249c3RiaW5kLG89ZXhhbXBsZTpzZWNyZXQ="
          SslEnabled="true" SslPort="636" BaseDN="" Scope="2"
          SearchFilter="(&amp;(objectclass=organizationalPerson)(mail=%s))"/>
      <SslProperties KeyStorePath="ldaptruststore.p12" KeyStorePassword="geheim"/>
      <Details>
        <Detail Id="MailAddress" FieldName="mail" Type="text/plain"/>
        <Detail Id="Telephone" FieldName="telephoneNumber,mobile" DisplaySeparator=" / " Type="text/plain"/>
      </Details>
    </Storage>
  </Resources>
  <ParamsSets>
    <Set SetId="0" params="MailAddress,Telephone"/>
    <Set SetId="1" params="MailAddress,Telephone,Photo"/>
  </ParamsSets>
</UserInformation>
"#;

fn file(path: &str, text: &[u8]) -> Option<XmlFile> {
    Some(XmlFile {
        path: path.into(),
        bytes: text.to_vec(),
    })
}

fn community(text: &str) -> Sources {
    Sources {
        community_config: file("StCommunityConfig.xml", text.as_bytes()),
        ..Sources::default()
    }
}

fn cards(text: &str) -> Sources {
    Sources {
        user_info: file("UserInfoConfig.xml", text.as_bytes()),
        ..Sources::default()
    }
}

fn good(sources: Sources) -> (Config, Vec<String>) {
    let (config, notes) = load(sources).unwrap_or_else(|faults| panic!("{faults}"));
    (config, notes.iter().map(Note::to_string).collect())
}

fn connections(text: &str) -> (Vec<Connection>, Vec<String>) {
    let (config, notes) = good(community(text));
    (config.xml.directory.connections, notes)
}

fn user_info(text: &str) -> (UserInfo, Vec<String>) {
    let (config, notes) = good(cards(text));
    (config.xml.user_info, notes)
}

fn faults(sources: Sources) -> Faults {
    load(sources).expect_err("this should be refused")
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_directory_is_read_from_its_attributes_with_defaults_and_origins() {
    let (config, notes) = good(community(COMMUNITY));
    let directory = config.xml.directory;
    assert_eq!(
        directory.directory_refresh.value,
        Duration::from_secs(30 * 60)
    );
    let [connection] = directory.connections.as_slice() else {
        panic!("{:?}", directory.connections)
    };
    assert_eq!(connection.host.value, "ldap.example.com");
    assert_eq!(
        connection.host.origin.to_string(),
        "StCommunityConfig.xml:6"
    );
    assert_eq!(
        (connection.ssl_enabled.value, connection.port.value),
        (true, 636)
    );
    let password = connection.bind_password.as_ref().unwrap();
    assert_eq!(password.value.expose(), "geheim & <lang>");
    assert_eq!(password.origin.to_string(), "StCommunityConfig.xml:7");
    assert_eq!(connection.people.base, None);
    assert_eq!(connection.people.scope.value, SearchScope::OneLevel);
    assert_eq!(
        connection.people.filter.value,
        "(&(objectclass=person)(cn=%s*))"
    );
    assert_eq!(
        connection.groups.filter.value,
        "(&(objectclass=groupOfNames)(cn=%s*))"
    );
    assert_eq!(connection.user_id_attribute, None);
    assert_eq!(
        notes,
        [
            "StCommunityConfig.xml:6: the LDAP directory is not served by this version: people and groups come from \
             the embedded directory, and `isochron tls test ldap` is all that uses this file"
        ]
    );
    assert!(!format!("{connection:?}").contains("geheim"));
}

#[test]
fn settings_may_be_child_elements_at_any_nesting_and_names_compare_without_case() {
    let (connections, notes) = connections(
        "<config><ldap><servers><CONNECTION sslenabled='yes'>\n<hostname> ldap.example.com </hostname>\n\
         <port>3636</port><BindEntryPwd><![CDATA[a&b]]></BindEntryPwd></CONNECTION></servers></ldap></config>",
    );
    let connection = &connections[0];
    assert_eq!(connection.host.value, "ldap.example.com");
    assert_eq!(
        connection.host.origin.to_string(),
        "StCommunityConfig.xml:2"
    );
    // SSLPort is not set and Port is not the plain one.
    assert_eq!(connection.port.value, 3636);
    assert_eq!(
        connection.bind_password.as_ref().unwrap().value.expose(),
        "a&b"
    );
    let strange: Vec<_> = notes
        .iter()
        .filter(|note| note.contains("unknown"))
        .collect();
    assert_eq!(
        strange,
        [
            "StCommunityConfig.xml:1: <config> is unknown; what stands in it is read",
            "StCommunityConfig.xml:1: <servers> is unknown; what stands in it is read"
        ]
    );
}

#[test]
fn directories_are_searched_in_their_order() {
    let (connections, notes) = connections(
        "<LDAP>\n<Connection HostName='b' SearchOrder='2'/>\n<Connection HostName='a' SearchOrder='1'/>\n\
         <Connection HostName='c' SearchOrder='2'/>\n</LDAP>",
    );
    let hosts: Vec<&str> = connections
        .iter()
        .map(|found| found.host.value.as_str())
        .collect();
    assert_eq!(hosts, ["a", "b", "c"]);
    assert_eq!(
        notes[1],
        "StCommunityConfig.xml:4: the SearchOrder 2 is also that of the <Connection> in line 2, which is searched \
         first; each has its own"
    );
}

#[test]
fn slips_are_noted_with_what_was_meant() {
    for (text, expected) in [
        (
            "<LDAP><Connection HostName='a' SSLEnable='1'/></LDAP>",
            "StCommunityConfig.xml:1: SSLEnable is unknown and is ignored; did you mean SSLEnabled?",
        ),
        (
            "<LDAP HostName='a'/>",
            "StCommunityConfig.xml:1: HostName is ignored here; it belongs into a <Connection> element",
        ),
        (
            "<LDAP><Conection HostName='a'/></LDAP>",
            "StCommunityConfig.xml:1: <Conection> is unknown; did you mean <Connection>?",
        ),
        (
            "<LDAP><Connection HostName='a' Port='636'/></LDAP>",
            "StCommunityConfig.xml:1: Port is 636, the port of LDAP with TLS, but SSLEnabled is off, so nothing is \
             encrypted",
        ),
        (
            "<Connection HostName='a' BindEntryPwd='x'>\n<BindEntryPassword>y</BindEntryPassword></Connection>",
            "StCommunityConfig.xml:2: BindEntryPassword is given here and in line 1; this one counts",
        ),
        (
            "<Connection HostName='a' OrganizationName='x'/>",
            "StCommunityConfig.xml:1: OrganizationName is deprecated, and a value can prevent logins",
        ),
    ] {
        let (_, notes) = connections(text);
        assert!(
            notes.iter().any(|note| note == expected),
            "{text}: {notes:?}"
        );
    }
    let (_, notes) = connections(&format!("<LDAP>{}</LDAP>", "<x>1</x>\n".repeat(500)));
    assert_eq!(notes.len(), 21, "{notes:?}");
    assert_eq!(
        notes[20],
        "StCommunityConfig.xml: 480 more unknown names are not listed"
    );
}

#[test]
fn faulty_values_are_reported_together_with_their_lines() {
    let faults = faults(community(
        "<LDAP>\n<Connection Port='0'\n SSLEnabled='on'\n PersonResolveScope='deep'\n GroupMembership='(a'/>\n\
         <Connection HostName='ldap://a' NameAttribute='cn' EmailAttribute='a mail'/>\n</LDAP>",
    ));
    assert_eq!(
        lines(&faults),
        [
            "StCommunityConfig.xml:2: HostName: <Connection> has no HostName",
            "StCommunityConfig.xml:2: Port: \"0\" is out of range",
            "StCommunityConfig.xml:3: SSLEnabled: \"on\" is none of the words for it",
            "StCommunityConfig.xml:4: PersonResolveScope: \"deep\" is none of the words for it",
            "StCommunityConfig.xml:5: GroupMembership: \"(a\" has a parenthesis that is not closed",
            "StCommunityConfig.xml:6: HostName: \"ldap://a\" is a URL, not a host name",
            "StCommunityConfig.xml:6: EmailAttribute: \"a mail\" is no name of the directory's schema",
        ]
    );
    let report = faults.render(false);
    assert!(
        report.contains("StCommunityConfig.xml:3") && report.contains("SSLEnabled=\"on"),
        "{report}"
    );
}

#[test]
fn what_is_no_harmless_xml_is_refused_with_line_and_column_and_without_its_text() {
    let laughs =
        "<?xml version='1.0'?>\n<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\n<l>&b;</l>";
    let deep = "<a>".repeat(100) + &"</a>".repeat(100);
    let long = format!("<a>{}</a>", " ".repeat(config::XML_BYTES_MAX));
    let many = format!("<a>{}</a>", "<b/>".repeat(60_000));
    let attributes: String = (0..20_000).map(|number| format!(" b{number}=''")).collect();
    let wide = format!("<a{attributes}/>");
    let table: &[(&[u8], &str)] = &[
        (
            wide.as_bytes(),
            "x.xml:1: this file: holds more than 10000 equals signs",
        ),
        (
            laughs.as_bytes(),
            "x.xml:2: this file: has a document type (<!DOCTYPE) in column 1",
        ),
        (
            b"<!-- <!DOCTYPE a> -->\n <!DOCTYPE a>\n<a/>",
            "x.xml:2: this file: has a document type (<!DOCTYPE) in column 2",
        ),
        (
            b"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "x.xml:1: this file: has a document type",
        ),
        (
            b"<Connection\n BindEntryPassword='gehe&im;x'/>",
            "x.xml:2: this file: column 25: an & that is not written &amp;",
        ),
        (
            b"<Connection BindEntryPassword='gehe&im'/>",
            "x.xml:1: this file: column 36: an & that is not written &amp;",
        ),
        (
            b"<a b='<geheim'/>",
            "x.xml:1: this file: column 7: a < in a value",
        ),
        (
            "<a b=“geheim”/>".as_bytes(),
            "x.xml:1: this file: column 6: a character that cannot stand here",
        ),
        (
            b"<a>\n<b></a>",
            "x.xml:2: this file: column 4: the end of an element",
        ),
        (
            b"<a b='1' b='2'/>",
            "x.xml:1: this file: column 10: an attribute that the element has already",
        ),
        (b"<a>", "the file ends before its elements do"),
        (b"", "the file has no element"),
        (
            b"<a>M\xfcller</a>",
            "x.xml:1: this file: holds bytes that are not UTF-8 text",
        ),
        (b"\xff\xfe<\0", "x.xml:1: this file: is written in UTF-16"),
        (
            deep.as_bytes(),
            "x.xml:1: this file: holds more than 64 elements inside each other",
        ),
        (
            long.as_bytes(),
            "x.xml: this file: is too long for a configuration file",
        ),
        (
            many.as_bytes(),
            "more elements than a configuration file has",
        ),
    ];
    for (text, expected) in table {
        for sources in [
            Sources {
                community_config: file("x.xml", text),
                ..Sources::default()
            },
            Sources {
                user_info: file("x.xml", text),
                ..Sources::default()
            },
        ] {
            let faults = faults(sources);
            let shown = lines(&faults);
            let start = String::from_utf8_lossy(&text[..text.len().min(60)]);
            assert_eq!(shown.len(), 1, "{start}: {shown:?}");
            assert!(shown[0].contains(expected), "{start}: {shown:?}");
            let report = faults.render(false);
            assert!(
                !report.contains("geheim") && !report.contains("im;"),
                "{report}"
            );
        }
    }
}

#[test]
fn a_faulty_secret_is_not_shown() {
    let faults = faults(cards(
        "<StorageDetails HostName='a' UserEncodedAuth='cn=bind:geheim' Password='geheim' Port='x'/>",
    ));
    let shown = faults.render(false) + &format!("{faults:?}{faults}");
    assert_eq!(faults.iter().count(), 2, "{shown}");
    assert!(shown.contains("the value is not base64"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn business_cards_are_read_as_they_are_published() {
    let (info, notes) = user_info(CARDS);
    let [storage] = info.storages.as_slice() else {
        panic!("{:?}", info.storages)
    };
    assert_eq!(
        (storage.host.value.as_str(), storage.port.value),
        ("ldap.example.com", 636)
    );
    assert_eq!(
        storage.user_name.as_ref().unwrap().value,
        "cn=stbind,o=example"
    );
    assert_eq!(storage.password.as_ref().unwrap().value.expose(), "secret");
    assert_eq!(storage.scope.value, SearchScope::Recursive);
    let trust = storage.trust_store.as_ref().unwrap();
    assert_eq!(trust.file.value, Path::new("ldaptruststore.p12"));
    assert_eq!(trust.password.as_ref().unwrap().value.expose(), "geheim");
    let [mail, telephone] = storage.fields.as_slice() else {
        panic!("{:?}", storage.fields)
    };
    assert_eq!(mail.id.value, "MailAddress");
    assert_eq!(telephone.attributes.value, ["telephoneNumber", "mobile"]);
    assert_eq!(info.sets[0].fields.value, ["MailAddress", "Telephone"]);
    assert_eq!(
        notes,
        [
            "UserInfoConfig.xml:4: business cards are not served by this version; this file is checked and not used",
            "UserInfoConfig.xml:17: the set 1 shows Photo, for which there is no <Detail>"
        ]
    );
    assert!(!format!("{info:?}").contains("geheim"));
}

#[test]
fn each_storage_has_what_stands_beside_it() {
    let (info, notes) = user_info(
        "<x><Storage><StorageDetails HostName='a'/><Details><Detail Id='Name' FieldName='cn'/></Details></Storage>\
         <Storage type='DOMINO'><StorageDetails HostName='n'/></Storage>\
         <Storage><StorageDetails><HostName>b</HostName></StorageDetails>\
         <Detail Id='Photo' FieldName='jpegPhoto' Type='image/jpeg'/></Storage></x>",
    );
    let found: Vec<_> = info
        .storages
        .iter()
        .map(|storage| {
            (
                storage.host.value.as_str(),
                storage.fields[0].id.value.as_str(),
            )
        })
        .collect();
    assert_eq!(found, [("a", "Name"), ("b", "Photo")]);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("a storage of the type \"DOMINO\" is not understood")),
        "{notes:?}"
    );
    // Without <Storage> around them, details begin a storage of their own.
    let (info, _) = user_info(
        "<x><StorageDetails HostName='a'/><Detail Id='Name' FieldName='cn'/><StorageDetails HostName='b'/></x>",
    );
    let counts: Vec<_> = info
        .storages
        .iter()
        .map(|storage| storage.fields.len())
        .collect();
    assert_eq!(counts, [1, 0]);
}

#[test]
fn the_table_of_values_in_force_has_the_attributes_of_each_element() {
    let sources = community(COMMUNITY);
    let rows = effective(&sources);
    let row = |name: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row.name == name && row.place.as_deref() == Some("Connection 1"))
            .unwrap()
    };
    assert_eq!(row("BindEntryPassword").value.as_deref(), Some("•••"));
    assert_eq!(row("HostName").provenance(), "StCommunityConfig.xml:6");
    assert_eq!(
        row("GroupObjectClass").value.as_deref(),
        Some("groupOfNames")
    );
    assert_eq!(row("GroupObjectClass").provenance(), "default");
    assert_eq!(row("PersonResolveBase").provenance(), "not set");

    let found = explain("bindentrypwd", &sources).unwrap();
    assert_eq!(
        (found.file, found.sections),
        ("StCommunityConfig.xml", &["Connection"][..])
    );
    assert_eq!(found.values.len(), 1);
    let found = explain("StorageDetails.HostName", &sources).unwrap();
    assert_eq!((found.file, found.values.len()), ("UserInfoConfig.xml", 0));
    let unknown = explain("HostNam", &sources).unwrap_err().to_string();
    assert_eq!(unknown, "HostNam is no setting; did you mean HostName?");
}

#[test]
fn the_files_are_found_beside_the_ini_or_where_a_setting_says() {
    let folder = tempfile::tempdir().unwrap();
    let sources = |ini: &str| Sources {
        ini: Some(IniFile {
            path: folder.path().join("sametime.ini"),
            bytes: ini.as_bytes().to_vec(),
        }),
        ..Sources::default()
    };
    let elsewhere = Path::new("elsewhere");
    // Nothing is there, and nothing has to be.
    let mut found = sources("");
    read_xml(&mut found, elsewhere).unwrap();
    assert!(found.community_config.is_none() && found.user_info.is_none());

    std::fs::write(folder.path().join("StCommunityConfig.xml"), COMMUNITY).unwrap();
    read_xml(&mut found, elsewhere).unwrap();
    assert_eq!(good(found).0.xml.directory.connections.len(), 1);

    let mut named = sources("[Isochron]\nCOMMUNITY_CONFIG_FILE=other.xml\nLOG_FORMAT=xml\n");
    let path = xml_paths(&named, elsewhere).community_config;
    assert_eq!(path.value, folder.path().join("other.xml"));
    let faults = lines(&read_xml(&mut named, elsewhere).unwrap_err());
    // What else is wrong is said at the same time.
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].contains("sametime.ini:2: COMMUNITY_CONFIG_FILE")
            && faults[0].contains("cannot be read"),
        "{faults:?}"
    );

    // A folder in its place is no file.
    std::fs::create_dir(folder.path().join("UserInfoConfig.xml")).unwrap();
    assert!(read_xml(&mut sources(""), elsewhere).is_err());
    let paths = xml_paths(&Sources::default(), elsewhere);
    assert_eq!(paths.user_info.value, elsewhere.join("UserInfoConfig.xml"));
}
