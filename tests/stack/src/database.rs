//! A connection to the database, as the migration connects.

pub use schema::connection::connect;
