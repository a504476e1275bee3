//! What HR systems call the fields of a person, in English, French, German and Italian.

use super::fields::Field;

impl Field {
    /// The field that a heading most likely means.
    pub(super) fn of_heading(heading: &str) -> Option<Self> {
        let bare = bare(heading);
        Self::ALL.into_iter().find(|field| self::bare(field.as_str()) == bare || field.headings().contains(&&*bare))
    }

    /// Headings in English, French, German and Italian, [`bare`].
    const fn headings(self) -> &'static [&'static str] {
        match self {
            Self::EmployeeNumber => &[
                "employeeid",
                "employeeno",
                "employeenr",
                "employeecode",
                "employee",
                "personnelnumber",
                "personnelno",
                "personnelid",
                "staffid",
                "staffnumber",
                "workerid",
                "personid",
                "matricule",
                "numeroemploye",
                "noemploye",
                "nemploye",
                "numeropersonnel",
                "nopersonnel",
                "numerodepersonnel",
                "personalnummer",
                "personalnr",
                "persnr",
                "mitarbeiternummer",
                "mitarbeiternr",
                "mitarbeiterid",
                "manr",
                "matricola",
                "numeromatricola",
                "numerodipendente",
                "codicedipendente",
                "iddipendente",
            ],
            Self::GivenName => &[
                "firstname",
                "first",
                "forename",
                "givennames",
                "firstnames",
                "prenom",
                "prenoms",
                "vorname",
                "vornamen",
                "rufname",
                "nome",
                "nomedibattesimo",
            ],
            Self::FamilyName => {
                &["lastname", "last", "surname", "nom", "nomdefamille", "nachname", "familienname", "cognome"]
            }
            Self::DisplayName => &[
                "name",
                "fullname",
                "preferredname",
                "displayedname",
                "nomcomplet",
                "nomaffiche",
                "anzeigename",
                "vollername",
                "vollstandigername",
                "nomecompleto",
                "nomevisualizzato",
            ],
            Self::Email => &[
                "emailaddress",
                "mail",
                "workemail",
                "businessemail",
                "companyemail",
                "courriel",
                "adressemail",
                "adresseemail",
                "emailprofessionnel",
                "emailadresse",
                "mailadresse",
                "geschaftlicheemail",
                "emailgeschaft",
                "emailgeschaftlich",
                "postaelettronica",
                "indirizzoemail",
                "emailaziendale",
            ],
            Self::ManagerNumber => &[
                "manager",
                "managerid",
                "manageremployeeid",
                "manageremployeenumber",
                "managerno",
                "supervisor",
                "supervisorid",
                "reportsto",
                "linemanager",
                "linemanagerid",
                "responsable",
                "matriculeresponsable",
                "superieur",
                "superieurhierarchique",
                "vorgesetzter",
                "vorgesetzte",
                "vorgesetzternr",
                "vorgesetztennr",
                "vorgesetztennummer",
                "personalnummervorgesetzter",
                "fuhrungskraft",
                "responsabile",
                "matricolaresponsabile",
                "superiore",
            ],
            Self::Department => &[
                "dept",
                "team",
                "orgunit",
                "organisationalunit",
                "organizationalunit",
                "unit",
                "costcentre",
                "costcenter",
                "departement",
                "service",
                "abteilung",
                "bereich",
                "organisationseinheit",
                "dipartimento",
                "reparto",
                "ufficio",
            ],
            Self::Timezone => &["zone", "tz", "fuseauhoraire", "zeitzone", "fusoorario"],
            Self::Language => {
                &["lang", "locale", "preferredlanguage", "langue", "sprache", "korrespondenzsprache", "lingua"]
            }
            Self::StartDate => &[
                "start",
                "hiredate",
                "hired",
                "datehired",
                "entrydate",
                "dateofentry",
                "joiningdate",
                "joindate",
                "firstday",
                "firstworkingday",
                "dateentree",
                "datedentree",
                "dateembauche",
                "datedembauche",
                "datedebut",
                "datededebut",
                "debutcontrat",
                "eintritt",
                "eintrittsdatum",
                "eintrittdatum",
                "beginn",
                "arbeitsbeginn",
                "dataassunzione",
                "datadiassunzione",
                "dataingresso",
                "datainizio",
                "iniziocontratto",
            ],
            Self::LastDay => &[
                "lastworkingday",
                "enddate",
                "end",
                "exitdate",
                "leavingdate",
                "leavedate",
                "dateofleaving",
                "terminationdate",
                "terminated",
                "departuredate",
                "separationdate",
                "contractend",
                "datesortie",
                "datedesortie",
                "datedepart",
                "datededepart",
                "datefin",
                "datedefin",
                "dernierjour",
                "dernierjourtravaille",
                "fincontrat",
                "findecontrat",
                "austritt",
                "austrittsdatum",
                "austrittdatum",
                "letzterarbeitstag",
                "letztertag",
                "vertragsende",
                "kundigungsdatum",
                "datauscita",
                "datadiuscita",
                "datacessazione",
                "datadicessazione",
                "ultimogiorno",
                "ultimogiornolavorativo",
                "finecontratto",
                "datafine",
                "datadimissioni",
            ],
            Self::Status => &[
                "employmentstatus",
                "employeestatus",
                "state",
                "statut",
                "etat",
                "stato",
                "mitarbeiterstatus",
                "beschaftigungsstatus",
                "statusmitarbeiter",
            ],
        }
    }
}

/// Letters and digits only, lower case, without accents: `Date d'entrée` is `datedentree`.
fn bare(heading: &str) -> String {
    heading
        .chars()
        .flat_map(char::to_lowercase)
        .filter_map(|c| match c {
            'à' | 'â' | 'ä' | 'á' => Some('a'),
            'é' | 'è' | 'ê' | 'ë' => Some('e'),
            'î' | 'ï' | 'ì' | 'í' => Some('i'),
            'ô' | 'ö' | 'ò' | 'ó' => Some('o'),
            'ù' | 'û' | 'ü' | 'ú' => Some('u'),
            'ç' => Some('c'),
            c => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_four_languages_are_known() {
        for (heading, field) in [
            ("Employee ID", Field::EmployeeNumber),
            ("employee_number", Field::EmployeeNumber),
            ("Matricule", Field::EmployeeNumber),
            ("Personal-Nr.", Field::EmployeeNumber),
            ("N° employé", Field::EmployeeNumber),
            ("Matricola", Field::EmployeeNumber),
            ("Vorname", Field::GivenName),
            ("Prénom", Field::GivenName),
            ("Nome", Field::GivenName),
            ("Nom", Field::FamilyName),
            ("Cognome", Field::FamilyName),
            ("E-Mail (geschäftlich)", Field::Email),
            ("Date d'entrée", Field::StartDate),
            ("Eintrittsdatum", Field::StartDate),
            ("Letzter Arbeitstag", Field::LastDay),
            ("Date de sortie", Field::LastDay),
            ("Data di cessazione", Field::LastDay),
            ("Führungskraft", Field::ManagerNumber),
            ("STATUT", Field::Status),
        ] {
            assert_eq!(Field::of_heading(heading), Some(field), "{heading}");
        }
        assert_eq!(Field::of_heading("Salary"), None);
        assert_eq!(Field::of_heading(""), None);
    }

    #[test]
    fn no_heading_means_two_fields() {
        let mut seen = std::collections::BTreeMap::new();
        for field in Field::ALL {
            for heading in field.headings() {
                assert_eq!(seen.insert(*heading, field), None, "{heading}");
            }
        }
    }
}
