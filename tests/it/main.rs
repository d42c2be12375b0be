//! The whole program against real sockets, real files and real servers.

mod ask;
mod bounces;
mod command;
mod config;
mod config_syntax;
mod crash;
mod daemon;
mod digest;
mod leaving;
mod mail;
mod merging;
mod outbox;
mod pacing;
mod pipeline;
mod playback;
mod process;
mod query;
mod readme;
mod site;
mod smtp;
mod source;
mod turns;
mod web;
mod world;
