//! The whole program against real sockets, real files and real servers.

mod config;
mod digest;
mod mail;
mod site;
mod smtp;
mod source;
//! it
mod query;
