//! What must survive a restart: contact lists and settings of users, privacy lists, and the embedded directory.
//!
//! [`Store`] is a handle that is cheap to clone. One OS thread owns the SQLite connection; it takes all
//! requests that wait, runs them in one transaction, and answers after the commit. So an answer `Ok` means
//! "on the disk", and a thousand users that save at once cost a few disk flushes, not a thousand.
//!
//! The store holds records, never rules: who may log in or be seen is decided elsewhere.
#![forbid(unsafe_code)]

mod engine;
mod error;
mod people;
mod privacy;
mod schema;
mod storage;

use std::path::Path;

pub use error::StoreError;
pub use people::{GroupRecord, PersonRecord};
pub use privacy::{PrivacyRecord, PrivacyUser};
pub use schema::FILE_NAME;
pub use storage::{
    STORAGE_ITEM_OVERHEAD_BYTES, STORAGE_USER_BYTES_MAX, STORAGE_VALUE_BYTES_MAX, SaveOutcome,
};

/// The durable records of one community, kept in the file [`FILE_NAME`] of the data folder.
///
/// Exclusive use of the data folder by one process is the caller's duty.
#[derive(Clone)]
pub struct Store {
    engine: engine::Engine,
}

impl Store {
    /// Opens the store in the folder `dir`, makes it if there is none, and brings an older one up to date.
    ///
    /// Blocks for the time of a few disk accesses: call it before serving.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Foreign`] and [`StoreError::Newer`] for a file that this program
    /// must not touch; it is left as it was. [`StoreError::Io`] if the folder or file cannot be used.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let connection = schema::open(&dir.join(FILE_NAME))?;
        Ok(Store {
            engine: engine::Engine::start(connection)?,
        })
    }

    /// Waits until everything asked so far is on the disk, merges the write-ahead log and closes the file.
    ///
    /// Closes it for all clones; later calls answer [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the log could not be merged; nothing is lost then, the next start merges it.
    pub async fn close(self) -> Result<(), StoreError> {
        self.engine.close().await
    }

    /// The values stored for `user` under `keys`, in the order of `keys`; `None` where nothing is stored.
    ///
    /// A stored empty value is `Some` of an empty vector, which is not the same as nothing.
    /// Source: `docs/protocol/service-storage.md`.
    ///
    /// # Errors
    /// As every call: [`StoreError::Engine`], [`StoreError::Damaged`] or [`StoreError::Closed`].
    pub async fn storage_load(
        &self,
        user: &[u8],
        keys: &[u32],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (user, keys) = (user.to_vec(), keys.to_vec());
        self.engine
            .call(move |db| storage::load(db, &user, &keys))
            .await
    }

    /// Stores all `items` (key, value) of `user`, or none of them.
    ///
    /// # Errors
    /// As every call. Too much data is not an error but [`SaveOutcome::OverQuota`].
    pub async fn storage_save(
        &self,
        user: &[u8],
        items: Vec<(u32, Vec<u8>)>,
    ) -> Result<SaveOutcome, StoreError> {
        let user = user.to_vec();
        self.engine
            .call(move |db| storage::save(db, &user, &items))
            .await
    }

    /// The privacy list stored for `user`.
    ///
    /// # Errors
    /// As every call.
    pub async fn privacy_load(&self, user: &[u8]) -> Result<Option<PrivacyRecord>, StoreError> {
        let user = user.to_vec();
        self.engine.call(move |db| privacy::load(db, &user)).await
    }

    /// Replaces the privacy list of `user`.
    ///
    /// Clients send their list on every login; an unchanged list costs no disk write.
    ///
    /// # Errors
    /// As every call.
    pub async fn privacy_save(
        &self,
        user: &[u8],
        privacy: PrivacyRecord,
    ) -> Result<(), StoreError> {
        let user = user.to_vec();
        self.engine
            .call(move |db| privacy::save(db, &user, &privacy))
            .await
    }

    /// All people of the embedded directory, ordered by id.
    ///
    /// # Errors
    /// As every call.
    pub async fn people_all(&self) -> Result<Vec<PersonRecord>, StoreError> {
        self.engine.call(people::people_all).await
    }

    /// Adds a person, or replaces the one with the same id.
    ///
    /// # Errors
    /// As every call.
    pub async fn person_put(&self, person: PersonRecord) -> Result<(), StoreError> {
        self.engine
            .call(move |db| people::person_put(db, &person))
            .await
    }

    /// Removes a person with everything stored under that id: memberships, contact list, settings and privacy
    /// list. Somebody who later gets the same id must not inherit them. Answers whether there was such a person.
    ///
    /// # Errors
    /// As every call.
    pub async fn person_remove(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.engine
            .call(move |db| people::person_remove(db, &id))
            .await
    }

    /// All groups of the embedded directory, ordered by id, each with its members in their stored order.
    ///
    /// # Errors
    /// As every call.
    pub async fn groups_all(&self) -> Result<Vec<GroupRecord>, StoreError> {
        self.engine.call(people::groups_all).await
    }

    /// Adds a group, or replaces the one with the same id together with its members.
    ///
    /// # Errors
    /// As every call.
    pub async fn group_put(&self, group: GroupRecord) -> Result<(), StoreError> {
        self.engine
            .call(move |db| people::group_put(db, &group))
            .await
    }

    /// Removes a group; answers whether there was one.
    ///
    /// # Errors
    /// As every call.
    pub async fn group_remove(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.engine
            .call(move |db| people::group_remove(db, &id))
            .await
    }

    /// Puts many people and groups in one transaction: all of them, or on an error none.
    ///
    /// # Errors
    /// As every call.
    pub async fn directory_put(
        &self,
        people: Vec<PersonRecord>,
        groups: Vec<GroupRecord>,
    ) -> Result<(), StoreError> {
        let work = move |db: &rusqlite::Connection| {
            people
                .iter()
                .try_for_each(|person| people::person_put(db, person))?;
            groups
                .iter()
                .try_for_each(|group| people::group_put(db, group))
        };
        self.engine.call(work).await
    }
}
