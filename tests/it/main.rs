mod cli_keys;
mod tidy;
