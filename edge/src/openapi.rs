//! The description of the API, made from the table of routes and the types that are read and written. Only a test makes it:
//! the Worker serves the file.

mod describe;
