//! Configuration files.

use crate::seeds::{Seeds, add};
use config::{IniFile, Sources, XmlFile};

/// `sametime.ini`; its lines are also taken for variables of the environment. Whatever is wrong can be shown, and a
/// setting that is removed is gone.
pub fn ini(data: &[u8]) {
    const SECTION: &str = "Config";
    const KEY: &str = "ST_TLS_KEY_STORE_PASSWORD";
    let file = |bytes: Vec<u8>| {
        Some(IniFile {
            path: "sametime.ini".into(),
            bytes,
        })
    };
    let text = String::from_utf8_lossy(data);
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let sources = Sources {
        ini: file(data.to_vec()),
        environment: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..Sources::default()
    };
    show(sources);
    // The value of whichever line counts is among these.
    let values = text.lines().filter_map(|line| line.split_once('='));
    let removed = values.fold(data.to_vec(), |bytes, (_, value)| {
        config::without_setting(&bytes, SECTION, KEY, value.trim())
    });
    let without = Sources {
        ini: file(removed),
        ..Sources::default()
    };
    let rows = config::effective(&without);
    let row = rows.iter().find(|row| row.name == KEY);
    assert!(row.is_some_and(|row| row.value.is_none()));
}

/// Both XML files.
pub fn xml(data: &[u8]) {
    let file = || {
        Some(XmlFile {
            path: "config.xml".into(),
            bytes: data.to_vec(),
        })
    };
    show(Sources {
        community_config: file(),
        user_info: file(),
        ..Sources::default()
    });
}

fn show(sources: Sources) {
    let rows = config::effective(&sources);
    assert!(!rows.is_empty());
    match config::load(sources) {
        Ok((config, _)) => {
            let _ = config::advice(&config);
        }
        Err(faults) => assert!(!faults.render(false).is_empty()),
    }
}

const INI: [&str; 8] = [
    "[Config]\nST_TLS_KEY_STORE_FILE=/keys/server.p12\nST_TLS_KEY_STORE_PASSWORD=a#b;c=d\n",
    "\u{feff}[config]\r\nst_tls_key_store_password = x \r\n; comment\r\n# comment\r\n[Debug]\r\nVPMX_PORT=1533\r\n",
    "[Config]\nSTMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384, RSA_WITH_AES_128_CBC_SHA\n\
     STLDAP_TLS_TRUSTED_HOSTS=*.example.com,b\nSTMUX_TLS_MIN_PROTOCOL_VERSION=0X0304\n",
    "[Config]\nST_TLS_KEY_LABEL=\"a, b\",c\nST_TLS_MIRROR_TRUSTED_HOSTS=alias\nST_TLS_CLIENT_AUTH=2\n",
    "[Config]\nSTSAML_TRUST_STORE_FILE=/keys/idp.p12\nSTSAML_TLS_TRUST_STORE_TYPE=jks\nSTSAML_SECURITY_LEVEL=3\n",
    "[Debug]\nVPMX_PORT=0\nVPMX_TLS_PORT=1533,1534\n[Config]\nSTMUX_TLS_MODE=strict\nVPMX_CAPACITY=20000\n",
    "[Isochron]\nCOMMUNITY_CONFIG_FILE=a.xml\nHEALTH_PROT=1\n[Config]\nST_TLS_MAX_SESSION_AGE=-1\n\
     ST_TLS_KEY_STORE_PASSWORD=1\nST_TLS_KEY_STORE_PASSWORD=2\n[Config]\nST_TLS_SESSION_CACHE_SIZE=0\n",
    "STI__Config__ST_TLS_SECURITY_LEVEL=2\nSTI_Config_STMUX_TLS_SECURITY_LEVEL=\"3\"\nSTI__Debug_StUsers__X=1\n",
];

const XML: [&str; 6] = [
    "<?xml version=\"1.0\"?>\n<StCommunityConfig><CommunityServices DirRefreshInterval=\"60\"/><LDAP>\n\
     <Connection HostName=\"ldap.example.com\" Port=\"389\" SSLEnabled=\"1\" BindEntryPassword=\"a&amp;b\"\n\
     PersonResolveFilter=\"(&amp;(cn=%s*))\"/></LDAP></StCommunityConfig>",
    "<a><Connection><HostName>a</HostName><BindEntryPwd><![CDATA[x]]></BindEntryPwd></Connection>\
     <Connection HostName='b' SearchOrder='1'/></a>",
    "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>",
    "<UserInformation><Resources><Storage type=\"LDAP\"><StorageDetails HostName=\"a\" SslEnabled=\"true\" \
     UserEncodedAuth=\"Y249c3RiaW5kLG89ZXhhbXBsZTpzZWNyZXQ=\"/><SslProperties KeyStorePath=\"t.p12\"/>\
     <Details><Detail Id=\"Name\" FieldName=\"cn,sn\"/></Details></Storage></Resources></UserInformation>",
    "<x><ParamsSets><Set SetId=\"0\" params=\"Name,Photo\"/></ParamsSets><Storage type='DOMINO'>\
     <StorageDetails HostName='n'/></Storage></x>",
    "<!-- c --><Conection hostname='ldap://a' xmlns:n='u' n:x='1'>&#x20;</Conection>",
];

/// Files as administrators bring them.
pub(crate) fn add_seeds(seeds: &mut Seeds) {
    for text in INI {
        add(seeds, "ini", text.as_bytes().to_vec());
    }
    for text in XML {
        add(seeds, "xml", text.as_bytes().to_vec());
    }
}
