//! The product's heart: logins, presence and the Sametime services.
