//! The embedded directory: logins, look-ups and changes.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use store::{GroupRecord, PersonRecord, Store};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::failures::Failures;
use crate::hasher::{Checked, Hasher, Job};
use crate::names::fold;
use crate::resolve::resolve;
use crate::snapshot::{Account, Snapshot};
use crate::verifier::Verifiers;
use crate::{
    AuthError, Group, HashedPassword, HashedPerson, IdentityError, ImportSummary,
    PASSWORD_BYTES_MAX, Person, ResolveWhat, Resolved, import,
};

/// Longest id, name or mail address, in bytes. A DN that somebody uses as an id fits.
const TEXT_BYTES_MAX: usize = 256;

/// The embedded directory. Cheap to clone; all clones are the same directory.
///
/// People and groups are held in memory as an immutable snapshot. A look-up takes the current one and never
/// waits for a change; a change goes to the store first and then makes a new snapshot.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    current: RwLock<Arc<Snapshot>>,
    /// Held while something changes, across the store's answer: changes are rare and made by administrators, and
    /// each must see the one before. Look-ups and logins never take it.
    changing: Mutex<()>,
    failures: Arc<Failures>,
    verifiers: Verifiers,
    hasher: Hasher,
    /// What a name that is nobody's is checked against, so that the time tells nothing.
    unmatchable: HashedPassword,
}

/// Somebody who wants to log in.
pub struct Attempt<'a> {
    /// What the person typed as name: user id, mail address or display name.
    pub name: &'a [u8],
    /// What proves it.
    pub proof: Proof,
    /// Where the attempt comes from.
    pub address: IpAddr,
}

/// How somebody proves who he is.
pub enum Proof {
    /// The password, bytes as typed.
    Password(Zeroizing<Vec<u8>>),
    /// A proof that could not be read: damaged, of a form we do not know, or made with a wrong key. It is refused
    /// in the time that a wrong password takes.
    Unreadable,
}

/// Somebody to be added.
pub struct NewPerson {
    /// Unique user id.
    pub id: String,
    /// Display name; the id is taken if this is empty.
    pub name: String,
    /// Mail address, may be empty.
    pub mail: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// Ids of groups to be in; those that do not exist are made.
    pub groups: Vec<String>,
}

impl Directory {
    /// Loads the directory from the store and starts the threads that check passwords.
    ///
    /// # Errors
    /// [`IdentityError::Store`] or [`IdentityError::Machine`].
    pub async fn open(store: Store) -> Result<Directory, IdentityError> {
        let failures = Arc::<Failures>::default();
        let inner = Inner {
            current: RwLock::new(Arc::new(load(&store).await?)),
            store,
            changing: Mutex::default(),
            verifiers: Verifiers::new()?,
            hasher: Hasher::start(failures.clone())?,
            failures,
            unmatchable: HashedPassword::unmatchable()?,
        };
        Ok(Directory {
            inner: Arc::new(inner),
        })
    }

    /// The person with this id: in this spelling, else folded (see the crate's description).
    ///
    /// Whoever needs the exact spelling compares [`Person::id`].
    pub fn person(&self, id: &[u8]) -> Option<Arc<Person>> {
        let id = std::str::from_utf8(id).ok()?;
        self.now().account(id).map(|account| account.person.clone())
    }

    /// The group with this id, found as [`Directory::person`] finds people.
    pub fn group(&self, id: &[u8]) -> Option<Arc<Group>> {
        let id = std::str::from_utf8(id).ok()?;
        self.now().group(id).cloned()
    }

    /// The groups that the person with exactly this user id is a member of.
    pub fn groups_of(&self, user_id: &str) -> Vec<Arc<Group>> {
        self.now().groups_of(user_id).cloned().collect()
    }

    /// Everybody, ordered by id.
    pub fn people(&self) -> Vec<Arc<Person>> {
        self.now()
            .accounts
            .iter()
            .map(|account| account.person.clone())
            .collect()
    }

    /// All groups, ordered by id.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.now().groups.clone()
    }

    /// Looks up what somebody typed. Rules: `docs/protocol/service-resolve.md`, Matching.
    pub fn resolve(&self, query: &[u8], what: ResolveWhat) -> Resolved {
        resolve(&self.now(), query, what)
    }

    /// Finds out whether the proof is that of the named person.
    ///
    /// The name is a user id, else the mail address of exactly one person, else the display name of exactly one
    /// person. A password that was right within the last hour is known again at once; any other proof costs the
    /// same Argon2id hash, whether the name is somebody's or nobody's, and waits its turn for that. The exception
    /// are attempts over [`FAILURES_PER_MINUTE_MAX`](crate::FAILURES_PER_MINUTE_MAX): they cost no hash and get
    /// the same answer for every name.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Arc<Person>, AuthError> {
        let (outcome, label) = match self.examine(attempt).await {
            Ok((person, label)) => (Ok(person), label),
            Err(refusal) => {
                let (error, label) = refusal.meaning();
                tracing::info!(reason = label, "login refused");
                (Err(error), label)
            }
        };
        metrics::counter!("isochron_authentications_total", "outcome" => label).increment(1);
        outcome
    }

    async fn examine(&self, attempt: Attempt<'_>) -> Result<(Arc<Person>, &'static str), Refusal> {
        let Inner {
            verifiers,
            failures,
            hasher,
            unmatchable,
            ..
        } = &*self.inner;
        let address = attempt.address;
        let named = login_name(attempt.name)
            .and_then(|name| self.now().login_account(name).and_then(Claim::of));
        let password = match attempt.proof {
            Proof::Password(password) if (1..=PASSWORD_BYTES_MAX).contains(&password.len()) => {
                Some(password)
            }
            Proof::Password(_) | Proof::Unreadable => None,
        };

        let blocked = failures.blocked(address, Instant::now());
        if let (Some(Claim { person, hash }), Some(password)) = (&named, &password)
            && !person.disabled
            && verifiers.knows(&person.id, hash, password, blocked, Instant::now())
        {
            return Ok((person.clone(), "remembered"));
        }
        if blocked {
            return Err(Refusal::TooManyFailures);
        }

        let reason = match (&named, &password) {
            (None, _) => Refusal::UnknownName,
            (Some(_), None) => Refusal::UnreadableProof,
            (Some(_), Some(_)) => Refusal::WrongPassword,
        };
        let job = Job {
            hash: named
                .as_ref()
                .map_or(unmatchable, |claim| &claim.hash)
                .clone(),
            password: password.clone().unwrap_or_default(),
            address,
            may_match: named.is_some() && password.is_some(),
        };
        match (hasher.check(job).await, named, password) {
            (Checked::Right, Some(claim), Some(password)) => self.admit(&claim, &password),
            (Checked::Right | Checked::Wrong, ..) => Err(reason),
            (Checked::Blocked, ..) => Err(Refusal::TooManyFailures),
            (Checked::Unavailable, ..) => Err(Refusal::Unavailable),
        }
    }

    /// The password is right. The check may have waited a minute, so what counts is the directory of now.
    fn admit(
        &self,
        claim: &Claim,
        password: &[u8],
    ) -> Result<(Arc<Person>, &'static str), Refusal> {
        let id = &claim.person.id;
        let current = self.now().account(id).and_then(Claim::of);
        let current =
            current.filter(|current| current.person.id == *id && current.hash == claim.hash);
        let Claim { person, hash } = current.ok_or(Refusal::ChangedMeanwhile)?;
        if person.disabled {
            return Err(Refusal::Disabled);
        }
        self.inner
            .verifiers
            .remember(id, &hash, password, Instant::now());
        Ok((person, "checked"))
    }

    /// Adds somebody; hashes the password on a thread that may take its time.
    ///
    /// # Errors
    /// As [`Directory::add_hashed`], and [`IdentityError::Invalid`] for a password that cannot be used.
    pub async fn add(&self, new: NewPerson) -> Result<(), IdentityError> {
        let NewPerson {
            id,
            name,
            mail,
            password,
            groups,
        } = new;
        let hashing = tokio::task::spawn_blocking(move || HashedPassword::of(password.as_bytes()));
        let hash = hashing
            .await
            .map_err(|_| IdentityError::Machine("a password could not be hashed"))??;
        self.add_hashed(HashedPerson {
            id,
            name,
            mail,
            password: Some(hash),
            groups,
        })
        .await
    }

    /// Adds somebody whose password is hashed already.
    ///
    /// # Errors
    /// [`IdentityError::UserExists`], [`IdentityError::Invalid`], [`IdentityError::Store`].
    pub async fn add_hashed(&self, new: HashedPerson) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let current = self.now();
        if let Some(position) = current.people_names.any_spelling(&new.id) {
            return Err(IdentityError::UserExists {
                id: current.accounts[position as usize].person.id.clone(),
            });
        }
        self.carry_out(import::plan(&current, vec![new])?).await?;
        Ok(())
    }

    /// Gives somebody a new password. The old one does not work any more from then on.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchUser`], [`IdentityError::Store`].
    pub async fn set_password(
        &self,
        id: &str,
        password: HashedPassword,
    ) -> Result<(), IdentityError> {
        self.change_person(id, |record| {
            record.password_hash = password.as_str().to_owned()
        })
        .await
    }

    /// Disables somebody, or enables again. A disabled person cannot log in; sessions that are open are the
    /// caller's business.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchUser`], [`IdentityError::Store`].
    pub async fn set_disabled(&self, id: &str, disabled: bool) -> Result<(), IdentityError> {
        self.change_person(id, |record| record.disabled = disabled)
            .await
    }

    /// Removes somebody, from all groups too, with contact list, settings and privacy list. Answers the removed
    /// id. Sessions that are open are the caller's business.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchUser`], [`IdentityError::Store`].
    pub async fn remove(&self, id: &str) -> Result<String, IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let person = self.existing(id)?;
        self.inner.store.person_remove(&person.id).await?;
        self.reload().await?;
        Ok(person.id.clone())
    }

    /// Adds and updates many people in one transaction: all or nobody.
    ///
    /// Name, mail address and groups of an existing person become those given here; the password only if one is
    /// given. The groups given are all that the person is in afterwards; groups that do not exist are made, and
    /// get their id as name.
    ///
    /// # Errors
    /// The first fault: [`IdentityError::Invalid`], [`IdentityError::UserExists`] for an id that exists in another
    /// spelling or comes twice, [`IdentityError::Store`].
    pub async fn import(&self, people: Vec<HashedPerson>) -> Result<ImportSummary, IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let plan = import::plan(&self.now(), people)?;
        self.inner
            .store
            .directory_put(plan.people, plan.groups)
            .await?;
        self.reload().await?;
        Ok(plan.summary)
    }

    /// Adds a group, or replaces its name and members. Members may be given in any spelling; an empty name stands
    /// for the id.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchUser`] for the first member that is unknown, [`IdentityError::GroupExists`] if the
    /// id exists in another spelling, [`IdentityError::Invalid`], [`IdentityError::Store`].
    pub async fn put_group(
        &self,
        id: &str,
        name: &str,
        members: Vec<String>,
    ) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let current = self.now();
        if let Some(position) = current.group_names.any_spelling(id)
            && current.groups[position as usize].id != id
        {
            return Err(IdentityError::GroupExists {
                id: current.groups[position as usize].id.clone(),
            });
        }
        self.write_group(id, name, &members).await
    }

    /// Puts people into a group, which is made if there is none; gives it another name if there is one.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchUser`] for the first member that is unknown, [`IdentityError::Invalid`],
    /// [`IdentityError::Store`].
    pub async fn join_group(
        &self,
        id: &str,
        name: Option<&str>,
        joining: &[String],
    ) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let current = self.now();
        let Some(group) = current.group(id) else {
            return self
                .write_group(id, name.unwrap_or_default(), joining)
                .await;
        };
        let members = [&group.members[..], joining].concat();
        self.write_group(&group.id, name.unwrap_or(&group.name), &members)
            .await
    }

    /// Takes people out of a group, which stays.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchGroup`], [`IdentityError::NoSuchUser`] for the first who is not in it,
    /// [`IdentityError::Store`].
    pub async fn leave_group(&self, id: &str, leaving: &[String]) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let group = self.existing_group(id)?;
        let mut members = group.members.clone();
        for user in leaving {
            let user = &self.existing(user)?.id;
            let place = members.iter().position(|member| member == user);
            members.remove(place.ok_or_else(|| IdentityError::NoSuchUser { id: user.clone() })?);
        }
        self.write_group(&group.id, &group.name, &members).await
    }

    /// Removes a group; its members stay.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchGroup`], [`IdentityError::Store`].
    pub async fn remove_group(&self, id: &str) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let group = self.existing_group(id)?;
        self.inner.store.group_remove(&group.id).await?;
        self.reload().await
    }

    async fn change_person(
        &self,
        id: &str,
        change: impl FnOnce(&mut PersonRecord),
    ) -> Result<(), IdentityError> {
        let _changing = self.inner.changing.lock().await;
        let person = self.existing(id)?;
        let current = self.now();
        let hash = current
            .account(&person.id)
            .and_then(|account| account.hash.clone());
        let mut record = PersonRecord {
            id: person.id.clone(),
            name: person.name.clone(),
            mail: person.mail.clone(),
            password_hash: hash.map_or_else(String::new, |hash| hash.as_str().to_owned()),
            disabled: person.disabled,
        };
        change(&mut record);
        self.inner.store.person_put(record).await?;
        self.reload().await
    }

    async fn carry_out(&self, plan: import::Plan) -> Result<ImportSummary, IdentityError> {
        self.inner
            .store
            .directory_put(plan.people, plan.groups)
            .await?;
        self.reload().await?;
        Ok(plan.summary)
    }

    /// Writes a group with its members in their own spelling, each once.
    async fn write_group(
        &self,
        id: &str,
        name: &str,
        members: &[String],
    ) -> Result<(), IdentityError> {
        check_id("group id", id)?;
        check_text("group name", name)?;
        let mut seen = HashSet::new();
        let mut known = Vec::with_capacity(members.len());
        for member in members {
            let member = self.existing(member)?.id.clone();
            if seen.insert(member.clone()) {
                known.push(member);
            }
        }
        let name = if name.is_empty() { id } else { name };
        let record = GroupRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            members: known,
        };
        self.inner.store.group_put(record).await?;
        self.reload().await
    }

    fn existing_group(&self, id: &str) -> Result<Arc<Group>, IdentityError> {
        self.now()
            .group(id)
            .cloned()
            .ok_or_else(|| IdentityError::NoSuchGroup { id: id.to_owned() })
    }

    fn existing(&self, id: &str) -> Result<Arc<Person>, IdentityError> {
        self.person(id.as_bytes())
            .ok_or_else(|| IdentityError::NoSuchUser { id: id.to_owned() })
    }

    fn now(&self) -> Arc<Snapshot> {
        self.inner
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn reload(&self) -> Result<(), IdentityError> {
        let fresh = Arc::new(load(&self.inner.store).await?);
        let old = std::mem::replace(
            &mut *self
                .inner
                .current
                .write()
                .unwrap_or_else(PoisonError::into_inner),
            fresh,
        );
        // Outside the lock: to free twenty thousand people takes a moment.
        drop(old);
        Ok(())
    }
}

/// Whose login it would be: somebody with a usable hash.
struct Claim {
    person: Arc<Person>,
    hash: HashedPassword,
}

impl Claim {
    fn of(account: &Account) -> Option<Claim> {
        Some(Claim {
            person: account.person.clone(),
            hash: account.hash.clone()?,
        })
    }
}

/// Why a login is refused, as the log and the metric tell it.
enum Refusal {
    UnknownName,
    UnreadableProof,
    WrongPassword,
    ChangedMeanwhile,
    Disabled,
    TooManyFailures,
    Unavailable,
}

impl Refusal {
    fn meaning(&self) -> (AuthError, &'static str) {
        match self {
            Refusal::UnknownName => (AuthError::WrongLogin, "unknown_name"),
            Refusal::UnreadableProof => (AuthError::WrongLogin, "unreadable_proof"),
            Refusal::WrongPassword => (AuthError::WrongLogin, "wrong_password"),
            Refusal::ChangedMeanwhile => (AuthError::WrongLogin, "changed_meanwhile"),
            Refusal::Disabled => (AuthError::Disabled, "disabled"),
            Refusal::TooManyFailures => (AuthError::TooManyFailures, "too_many_failures"),
            Refusal::Unavailable => (AuthError::Unavailable, "unavailable"),
        }
    }
}

/// Reads everything and builds the indexes on a thread that may take its time.
async fn load(store: &Store) -> Result<Snapshot, IdentityError> {
    let (people, groups) = (store.people_all().await?, store.groups_all().await?);
    let built = tokio::task::spawn_blocking(move || Snapshot::new(people, groups)).await;
    built.map_err(|_| IdentityError::Machine("the directory's indexes could not be built"))
}

/// The name as text; nobody's if it is blank, no text, or longer than any name can be.
fn login_name(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    (name.len() <= TEXT_BYTES_MAX && !name.trim().is_empty()).then_some(name)
}

/// Refuses ids that could not travel everywhere: in a contact list, where `;` stands for a space, and in the CSV
/// column of groups, where it separates.
pub(crate) fn check_id(what: &'static str, id: &str) -> Result<(), IdentityError> {
    let fault = if fold(id).is_empty() {
        "it must not be empty"
    } else if id.contains(';') {
        "it must not contain a semicolon"
    } else {
        return check_text(what, id);
    };
    Err(IdentityError::Invalid {
        what,
        value: id.to_owned(),
        fault,
    })
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), IdentityError> {
    let fault = if text.len() > TEXT_BYTES_MAX {
        "it is longer than 256 bytes"
    } else if text.trim() != text {
        "it begins or ends with white space"
    } else if text.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(IdentityError::Invalid {
        what,
        value: text.to_owned(),
        fault,
    })
}
