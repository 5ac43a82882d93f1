//! Every command of the operator's pages works as it stands there.

use isochron_tests::pages::{Page, folder_of_pages};

#[test]
fn clients() {
    Page::open("clients.md").run();
}

#[test]
fn securing_in_general() {
    let page = Page::open("securing/README.md");
    page.run();
}

#[test]
fn stores() {
    let page = Page::open("securing/stores.md");
    page.peer("ldap.example.com:636", "ldap").run();
}

#[test]
fn c1_clients() {
    Page::open("securing/clients.md").run();
}

#[test]
fn c2_server_links() {
    Page::open("securing/server-links.md").run();
}

#[test]
fn c3_directory() {
    let page = Page::open("securing/directory.md");
    page.peer("ldap.example.com:636", "ldap").run();
}

#[test]
fn c4_business_cards() {
    let page = Page::open("securing/business-cards.md");
    page.peer("ldap.example.com:636", "ldap").run();
}

#[test]
fn c5_saml() {
    let page = Page::open("securing/saml.md");
    page.peer("idp.example.com:443", "idp").run();
}

#[test]
fn c6_mongodb() {
    let page = Page::open("securing/mongodb.md");
    page.peer("mongo.example.com:27017", "mongo").run();
}

#[test]
fn c7_web() {
    Page::open("securing/web.md").run();
}

#[test]
fn c8_photos() {
    let page = Page::open("securing/photos.md");
    page.peer("photos.example.com:443", "photos").run();
}

#[test]
fn every_page_is_tried() {
    let own = include_str!("operators_pages.rs");
    let pages = std::fs::read_dir(folder_of_pages().join("securing"));
    for page in pages.into_iter().flatten().flatten() {
        let name = format!("securing/{}", page.file_name().to_string_lossy());
        assert!(own.contains(&format!("Page::open(\"{name}\")")), "{name}");
    }
}
