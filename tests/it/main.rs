//! it

mod config;
mod digest;
mod site;
mod source;
//! The whole program against real sockets, real files and real servers.
mod mail;
mod smtp;
