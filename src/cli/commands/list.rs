//! Makes the enum of commands, and the function that runs the one typed, from one list.

/// `commands! { /// doc … pub enum Name { Variant(module::Args), … } }`: a clap subcommand enum
/// whose `run` calls the `run(self, &Session) -> Result<(), CliError>` of the variant's arguments.
macro_rules! commands {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $( $(#[$of_variant:meta])* $variant:ident($arguments:ty), )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, clap::Subcommand)]
        #[expect(missing_docs, reason = "a variant has the doc comment of its arguments as help")]
        pub enum $name {
            $( $(#[$of_variant])* $variant($arguments), )*
        }

        impl $name {
            /// Runs the command that was typed.
            pub fn run(
                self,
                session: &$crate::cli::run::Session,
            ) -> Result<(), $crate::cli::error::CliError> {
                match self {
                    $( Self::$variant(arguments) => arguments.run(session), )*
                }
            }
        }
    };
}

pub(crate) use commands;
