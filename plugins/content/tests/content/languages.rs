//! Twelve languages: words and phrases in every spelling that their writers take for the
//! same, and in none that they do not.

use std::time::Duration;

use crate::world::{Found, Indexed, World};

/// Spellings of one word or phrase, and others that are not it.
type Row = (&'static [&'static str], &'static [&'static str]);

/// Words and, last, two phrases of each language.
const LANGUAGES: &[(&str, &[Row])] = &[
    (
        "ar",
        &[
            (&["كتاب", "كِتَاب", "كتـــاب", "ﻛﺘﺎﺏ"], &["كاتب"]),
            (&["أحمد", "احمد", "أَحْمَد"], &["حمد"]),
            (&["إسلام", "اسلام"], &["سلام"]),
            (&["مدرسة", "مدرسه", "مَدْرَسَة"], &["مدرس"]),
            (&["على", "علی", "علي"], &["علا"]),
            (&["قرآن", "قران", "قُرآن"], &["قرن"]),
            (&["سلام", "سَلَام", "ﺳﻼﻡ"], &["سلم"]),
            (&["٢٠٢٤", "2024", "۲۰۲۴"], &["٢٠٢٥"]),
            (&["لغة", "لغه"], &["لغز"]),
            (&["شمس", "شَمْس"], &["شماس"]),
            (
                &["السلام عليكم", "السَّلَامُ عَلَيْكُم", "السلام علیکم"],
                &["عليكم السلام"],
            ),
            (&["اللغة العربية", "اللغه العربيه"], &["العربية اللغة"]),
        ],
    ),
    (
        "zh",
        &[
            (&["北京", "北\u{fe00}京", "北\n京"], &["京北", "北，京"]),
            (&["上海", "上 海"], &["海上"]),
            (&["数据", "数\u{200b}据"], &["据数"]),
            (&["电脑", "电\u{ad}脑"], &["脑电"]),
            (&["ＧＤＰ", "GDP", "gdp"], &["GDB"]),
            (&["２０２４年", "2024年"], &["2025年"]),
            (&["一", "⼀"], &["二"]),
            (&["车", "\u{8f66}"], &["东"]),
            (&["金融", "金\u{feff}融"], &["融金"]),
            (&["人民", "⼈民"], &["民人"]),
            (&["\"中国 人民\"", "中国人民", "中国 人民"], &["人民中国"]),
            (&["我爱北京", "我爱\n北京"], &["北京我爱"]),
        ],
    ),
    (
        "fa",
        &[
            (
                &["می\u{200c}خواهم", "میخواهم", "مي\u{200c}خواهم"],
                &["نمی\u{200c}خواهم"],
            ),
            (&["کتاب", "كتاب", "کِتاب"], &["کاتب"]),
            (&["ایران", "ايران"], &["ویران"]),
            (&["خانه", "خانة"], &["خان"]),
            (&["کتاب\u{200c}ها", "کتابها"], &["کتابی"]),
            (&["۱۴۰۳", "1403", "١٤٠٣"], &["۱۴۰۴"]),
            (&["یکی", "يكي"], &["یک"]),
            (&["تهران", "تِهران"], &["تران"]),
            (&["گل", "گُل"], &["کل"]),
            (&["علی", "علي", "على"], &["عالی"]),
            (&["زبان فارسی", "زبان فارسي"], &["فارسی زبان"]),
            (
                &["\"می خواهم\"", "می\u{200c}خواهم", "می خواهم"],
                &["خواهم می"],
            ),
        ],
    ),
    (
        "de",
        &[
            (&["Straße", "STRASSE", "strasse", "STRAẞE"], &["Strafe"]),
            (
                &["Müller", "Mueller", "MÜLLER", "Mu\u{308}ller"],
                &["Möller"],
            ),
            (&["Öl", "Oel", "öl", "ÖL"], &["all"]),
            (&["größe", "Groesse", "GRÖSSE", "Grösse"], &["Grüße"]),
            (&["Übung", "Uebung", "übung"], &["Abung"]),
            (&["Donau\u{ad}dampf", "Donaudampf"], &["Donau-dämpfe"]),
            (&["Fluß", "Fluss", "FLUSS"], &["Flug"]),
            (&["Café", "Cafe", "CAFÉ"], &["Kaffee"]),
            (&["fließt", "ﬂießt", "fliesst"], &["fließend"]),
            (&["Ärger", "Aerger", "ärger"], &["Orger"]),
            (
                &["schöne Grüße", "SCHÖNE GRÜSSE", "schoene Gruesse"],
                &["Grüße schöne"],
            ),
            (&["Haus-Tür", "haus tür", "Haus Tuer"], &["Tür Haus"]),
        ],
    ),
    (
        "el",
        &[
            (&["οδός", "ΟΔΟΣ", "οδος", "Οδός"], &["οδοι"]),
            (&["Αθήνα", "ΑΘΗΝΑ", "Αθη\u{301}να"], &["Αθηνών"]),
            (&["λόγος", "ΛΟΓΟΣ", "λογοσ"], &["λόγου"]),
            (&["ἄνθρωπος", "άνθρωπος", "ΑΝΘΡΩΠΟΣ"], &["άνθρωποι"]),
            (&["ἀνήρ", "ανηρ"], &["ανα"]),
            (&["μαΐου", "Μαιου", "ΜΑΪΟΥ"], &["Μαι"]),
            (&["ήλιος", "ΗΛΙΟΣ", "ἥλιος"], &["ήλιου"]),
            (&["ώρα", "ΩΡΑ", "ὥρα"], &["όρα"]),
            (&["σοφός", "ΣΟΦΟΣ"], &["σοφή"]),
            (&["θεός", "ϑεος"], &["θεά"]),
            (&["καλημέρα κόσμε", "ΚΑΛΗΜΕΡΑ ΚΟΣΜΕ"], &["κόσμε καλημέρα"]),
            (&["ὁ λόγος", "ο λόγος"], &["λόγος ο"]),
        ],
    ),
    (
        "hi",
        &[
            (&["हिन्दी", "हिंदी"], &["हिन"]),
            (&["सम्बन्ध", "संबंध", "संबन्ध"], &["सम्बोध"]),
            (&["चाँद", "चांद"], &["चाद"]),
            (&["ज़रा", "ज\u{93c}रा", "जरा"], &["ज़ारा"]),
            (&["क़लम", "\u{958}लम", "कलम"], &["कमल"]),
            (&["गङ्गा", "गंगा"], &["गगा"]),
            (&["२०२४", "2024"], &["२०२५"]),
            (&["नमस्ते", "नमस\u{94d}\u{200d}ते"], &["नमते"]),
            (&["अण्डा", "अंडा"], &["अडा"]),
            (&["पढ़ना", "पढ\u{93c}ना", "पढना"], &["पढ़नी"]),
            (&["हिन्दी भाषा", "हिंदी भाषा"], &["भाषा हिन्दी"]),
            (&["चाँद तारे", "चांद तारे"], &["तारे चाँद"]),
        ],
    ),
    (
        "ja",
        &[
            (&["東京", "東\n京"], &["京東"]),
            (&["ガス", "ｶﾞｽ", "カ\u{3099}ス"], &["カス"]),
            (&["りんご", "リンゴ", "ﾘﾝｺﾞ"], &["リンコ"]),
            (&["サーバー", "ｻｰﾊﾞｰ"], &["サバ"]),
            (&["パソコン", "ﾊﾟｿｺﾝ", "ぱそこん"], &["バソコン"]),
            (&["ＵＲＬ", "url", "URL"], &["URI"]),
            (&["１２３", "123"], &["１２４"]),
            (&["日本", "日\u{fe00}本"], &["本日"]),
            (&["すし", "スシ"], &["ずし"]),
            (&["神", "\u{fa19}"], &["示"]),
            (&["東京タワー", "東京ﾀﾜｰ", "東京 タワー"], &["タワー東京"]),
            (&["日本の首都", "日本の\n首都"], &["首都の日本"]),
        ],
    ),
    (
        "ko",
        &[
            (
                &[
                    "서울",
                    "\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}",
                    "서울에서",
                ],
                &["세울"],
            ),
            (
                &["한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"],
                &["한글"],
            ),
            (&["사랑", "사랑을"], &["사람"]),
            (&["학교", "학교에"], &["하교"]),
            (&["컴퓨터", "컴퓨터는"], &["컴퓨팅"]),
            (&["２０２４년", "2024년"], &["2023년"]),
            (&["가", "\u{1100}\u{1161}"], &["각"]),
            (&["ＫＢＳ", "kbs"], &["KBC"]),
            (&["부산", "부산의"], &["산부"]),
            (&["커피", "커\u{200b}피"], &["코피"]),
            (&["서울시청", "서울 시청"], &["시청 서울"]),
            (
                &["안녕하세요 여러분", "안녕하세요 여러분"],
                &["여러분 안녕하세요"],
            ),
        ],
    ),
    (
        "ru",
        &[
            (&["ёлка", "елка", "ЁЛКА", "е\u{308}лка"], &["иолка"]),
            (&["Москва", "МОСКВА", "Москва\u{301}"], &["Москвы"]),
            (&["мой", "МОЙ", "мои\u{306}"], &["мои"]),
            (&["замок", "за\u{301}мок", "замо\u{301}к"], &["замки"]),
            (&["всё", "все", "ВСЁ"], &["вся"]),
            (&["объект", "ОБЪЕКТ"], &["обект"]),
            (&["Пётр", "Петр"], &["Патр"]),
            (&["слово", "сло\u{ad}во"], &["слава"]),
            (&["день", "ДЕНЬ"], &["ден"]),
            (&["й", "Й", "и\u{306}"], &["и"]),
            (&["Россия и мир", "РОССИЯ И МИР"], &["мир и Россия"]),
            (&["ещё раз", "еще раз"], &["раз ещё"]),
        ],
    ),
    (
        "th",
        &[
            (&["น้ำ", "นํ้า", "น\u{e49}\u{e4d}\u{e32}"], &["นำ", "นา"]),
            (&["ไทย", "คนไทย"], &["ไท"]),
            (&["แม่", "เเม่"], &["แม้"]),
            (&["ไม่", "ไม่ดี"], &["ไม้", "ไม"]),
            (&["กรุงเทพ", "กรุง\u{200b}เทพ"], &["เทพกรุง"]),
            (&["๒๕๖๗", "2567"], &["๒๕๖๘"]),
            (&["ภาษา", "ภาษาไทย"], &["ภาสา"]),
            (&["ทำ", "ท\u{e4d}\u{e32}"], &["ทา"]),
            (&["ข้าว", "กินข้าว"], &["ขาว"]),
            (&["รัก", "ความรัก"], &["รก"]),
            (&["ภาษาไทย", "ภาษา ไทย"], &["ไทยภาษา"]),
            (&["กินข้าว", "กิน\u{200b}ข้าว"], &["ข้าวกิน"]),
        ],
    ),
    (
        "tr",
        &[
            (
                &["İstanbul", "istanbul", "İSTANBUL", "I\u{307}stanbul"],
                &["stanbul"],
            ),
            (&["Isparta", "ısparta", "ISPARTA"], &["Asparta"]),
            (&["kâğıt", "kağıt", "KÂĞIT"], &["kayıt"]),
            (&["çocuk", "ÇOCUK", "c\u{327}ocuk"], &["kocuk"]),
            (&["şeker", "ŞEKER", "s\u{327}eker"], &["teker"]),
            (&["ığdır", "IĞDIR", "Iğdır"], &["uğdur"]),
            (&["güneş", "GÜNEŞ"], &["güney"]),
            (&["öğrenci", "ÖĞRENCİ"], &["öğrenim"]),
            (&["İzmir'de", "izmir de", "İzmir’de"], &["Mızmır"]),
            (&["diyarbakır", "DİYARBAKIR"], &["diyar"]),
            (&["iyi günler", "İYİ GÜNLER"], &["günler iyi"]),
            (&["ılık su", "ILIK SU"], &["su ılık"]),
        ],
    ),
    (
        "vi",
        &[
            (&["Việt", "VIỆT", "Vie\u{323}\u{302}t", "Viet"], &["Viết"]),
            (&["đường", "ĐƯỜNG", "duong"], &["dượng"]),
            (&["hòa", "hoà", "HÒA"], &["hóa"]),
            (&["phở", "PHỞ", "pho"], &["phố"]),
            (&["má", "MÁ", "ma\u{301}"], &["mà"]),
            (&["Đà", "đà", "Da"], &["Đả"]),
            (&["thủy", "thuỷ", "THỦY"], &["thúy"]),
            (&["bạn", "BẠN"], &["bán"]),
            (&["nước", "NƯỚC", "nuoc"], &["nược"]),
            (&["tiếng", "TIẾNG", "tieng"], &["tiệng"]),
            (&["Hà Nội", "HÀ NỘI", "Ha Noi"], &["Nội Hà"]),
            (&["tiếng Việt", "TIẾNG VIỆT", "tieng viet"], &["Việt tiếng"]),
        ],
    ),
];

/// Returns the query for a spelling: a phrase is quoted.
fn query(spelling: &str) -> String {
    let is_phrase = spelling.contains(char::is_whitespace) && !spelling.starts_with('"');
    if is_phrase {
        format!("\"{spelling}\"")
    } else {
        spelling.to_owned()
    }
}

fn text(spelling: &str) -> String {
    format!("x {} x\n", spelling.trim_matches('"'))
}

#[test]
fn words_are_found_in_every_spelling_and_no_other() {
    let mut wrong = Vec::new();
    for (language, rows) in LANGUAGES {
        assert_eq!(rows.len(), 12, "{language}");
        let mut files = Vec::new();
        for (n, (same, others)) in rows.iter().enumerate() {
            for (m, spelling) in same.iter().enumerate() {
                files.push((format!("{n:02}-{m}"), text(spelling)));
            }
            for (m, other) in others.iter().enumerate() {
                files.push((format!("{n:02}-not-{m}"), text(other)));
            }
        }
        let borrowed: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        let home = tempfile::tempdir().unwrap();
        let indexed = Indexed::open(home.path(), &World::of(&borrowed)).caught_up();
        for (n, (same, others)) in rows.iter().enumerate() {
            for (m, spelling) in same.iter().enumerate() {
                // The first finds all of them; each of them finds the first.
                let wanted = Found {
                    until: std::time::Instant::now() + Duration::from_secs(30),
                    ..Found::default()
                };
                let found = indexed.ask("text", &query(spelling), wanted).unwrap();
                let has = |name: String| found.hits.iter().any(|hit| hit.file.name == name);
                if m == 0 {
                    let missed = (0..same.len()).filter(|m| !has(format!("{n:02}-{m}")));
                    wrong.extend(
                        missed.map(|m| format!("{language} {spelling} misses {}", same[m])),
                    );
                    let not = (0..others.len()).filter(|m| has(format!("{n:02}-not-{m}")));
                    wrong.extend(not.map(|m| format!("{language} {spelling} finds {}", others[m])));
                } else {
                    // A word with more behind it is not found by less.
                    let first = if spelling.contains(same[0]) { m } else { 0 };
                    let missed = [first, m]
                        .into_iter()
                        .filter(|m| !has(format!("{n:02}-{m}")));
                    wrong.extend(
                        missed.map(|m| format!("{language} {spelling} misses {}", same[m])),
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
