package org.lexvla.lexical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.Vocabulary.Rule;

class VocabularyTest {
    private static final List<Token> TOKENS = List.of(
            new Token(0, "<unk>", false),
            new Token(1, "s", false),
            new Token(2, "<0x41>", false),
            new Token(3, "▁horse", true),
            new Token(4, "horse", true),
            new Token(5, "▁Horse", true),
            new Token(6, "▁", true),
            new Token(7, "▁▁a", true),
            new Token(8, "é", true),
            new Token(9, ".", true),
            new Token(10, "▁7", true),
            new Token(11, "12", true),
            new Token(12, "ing", true),
            new Token(13, "a-b", true),
            new Token(14, "Ġfox", true),
            new Token(15, "", true),
            new Token(16, "…", true));

    @TempDir
    Path directory;

    @Test
    void keepsLowerCaseWordsAndPieces() {
        Vocabulary vocabulary = Vocabulary.select(TOKENS, Rule.standard(), null);
        assertThat(pieces(vocabulary)).containsExactly("▁horse", "horse", "ing", "Ġfox");
        assertThat(vocabulary.tokenIds()).containsExactly(3, 4, 12, 14);
        assertThat(vocabulary.word(0)).isEqualTo("horse");
        assertThat(vocabulary.word(3)).isEqualTo("fox");
        assertThat(vocabulary.lexicalIds("horse")).containsExactly(0, 1);
        assertThat(vocabulary.lexicalIds("mule")).isEmpty();
    }

    @Test
    void optionsKeepMore() {
        assertThat(pieces(Vocabulary.select(TOKENS, new Rule(true, false, 0), null)))
                .containsExactly("▁horse", "horse", ".", "▁7", "ing", "Ġfox");
        assertThat(pieces(Vocabulary.select(TOKENS, new Rule(false, true, 0), null)))
                .containsExactly("▁horse", "horse", "▁Horse", "ing", "Ġfox");
    }

    @Test
    void countsKeepLess() {
        long[] counts = new long[17];
        counts[3] = 5;
        counts[12] = 4;
        counts[9] = 100;
        assertThat(pieces(Vocabulary.select(TOKENS, new Rule(false, false, 4), counts)))
                .containsExactly("▁horse", "ing");
        assertThat(pieces(Vocabulary.select(TOKENS, new Rule(false, false, 5), counts)))
                .containsExactly("▁horse");
    }

    @Test
    void theReportSaysWhyATokenWasDropped() throws IOException {
        long[] counts = new long[17];
        counts[3] = 5;
        List<Token> tokens = new ArrayList<>(TOKENS);
        tokens.set(16, new Token(16, "\t\n", true));
        VocabularyReport report = VocabularyReport.of(tokens, new Rule(false, false, 5), counts);
        assertThat(report.kept()).isEqualTo(1);
        assertThat(report.dropped())
                .containsEntry(VocabularyReport.Reason.NOT_TEXT, 3)
                .containsEntry(VocabularyReport.Reason.UPPER_CASE, 1)
                .containsEntry(VocabularyReport.Reason.OTHER_CHARACTERS, 9)
                .containsEntry(VocabularyReport.Reason.RARE, 3);
        Path file = directory.resolve("report.tsv");
        report.write(file);
        List<String> lines = Files.readAllLines(file);
        assertThat(lines)
                .hasSize(18)
                .contains(
                        "id\tverdict\tpiece\tcount\treason",
                        "0\tdropped\t<unk>\t0\tspecial, control, unknown, unused or byte token",
                        "3\tkept\t▁horse\t5\t",
                        "4\tdropped\thorse\t0\ttoo rare in the captions",
                        "5\tdropped\t▁Horse\t0\thas upper-case letters",
                        "16\tdropped\t\\t\\n\t0\thas characters other than letters, or none");
        VocabularyReport.of(TOKENS, Rule.standard(), null).write(file);
        assertThat(Files.readAllLines(file)).contains("3\tkept\t▁horse\t\t");
    }

    @Test
    void bothMapsAreInverse() {
        Vocabulary vocabulary = Vocabulary.select(TOKENS, new Rule(true, true, 0), null);
        int found = 0;
        for (int token = 0; token < 20; token++) {
            if (vocabulary.lexicalId(token).isPresent()) {
                assertThat(vocabulary.tokenId(vocabulary.lexicalId(token).getAsInt()))
                        .isEqualTo(token);
                found++;
            }
        }
        assertThat(found).isEqualTo(vocabulary.size());
    }

    @Test
    void orderIsThatOfTheTokenIds() {
        List<Token> shuffled = new ArrayList<>(TOKENS);
        Collections.reverse(shuffled);
        assertThat(Vocabulary.select(shuffled, Rule.standard(), null))
                .isEqualTo(Vocabulary.select(TOKENS, Rule.standard(), null));
    }

    @Test
    void fingerprintSeesIdsAndPieces() {
        Vocabulary base =
                Vocabulary.select(List.of(new Token(1, "ab", true), new Token(2, "c", true)), Rule.standard(), null);
        Vocabulary split =
                Vocabulary.select(List.of(new Token(1, "a", true), new Token(2, "bc", true)), Rule.standard(), null);
        Vocabulary moved =
                Vocabulary.select(List.of(new Token(1, "ab", true), new Token(3, "c", true)), Rule.standard(), null);
        assertThat(base.fingerprint())
                .hasSize(64)
                .isNotEqualTo(split.fingerprint())
                .isNotEqualTo(moved.fingerprint());
        assertThat(base).isNotEqualTo(split).isNotEqualTo(moved);
    }

    @Test
    void refusesTokensThatMakeNoVocabulary() {
        assertThatThrownBy(() -> Vocabulary.select(List.of(new Token(1, "<s>", false)), Rule.standard(), null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none of the 1 tokens");
        assertThatThrownBy(() -> Vocabulary.select(
                        List.of(new Token(1, "a", true), new Token(1, "b", true)), Rule.standard(), null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("same id 1");
        assertThatThrownBy(() -> Vocabulary.select(TOKENS, new Rule(false, false, 2), null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least 2 occurrences");
        assertThatThrownBy(() -> Vocabulary.select(TOKENS, new Rule(false, false, 2), new long[4]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("counts of 4 token ids");
        assertThatThrownBy(() -> new Rule(false, false, -1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Token(-1, "a", true)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Token(1, null, true)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesIdsOutside() {
        Vocabulary vocabulary = Vocabulary.select(TOKENS, Rule.standard(), null);
        assertThatThrownBy(() -> vocabulary.word(4))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("lexical id 4");
        assertThatThrownBy(() -> vocabulary.tokenId(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void saysWhichWordsOfATextItLacks() {
        List<Token> tokens = new ArrayList<>();
        for (String word : List.of("fox", "snow", "zebra", "red")) {
            tokens.add(new Token(tokens.size(), "▁" + word, true));
        }
        Vocabulary vocabulary = Vocabulary.select(tokens, Rule.standard(), null);
        Vocabulary.Spelling spelling = vocabulary.spelling("A red Fox, and a ZEBR in snow: 3 foxx; zebr!");
        assertThat(spelling.known()).isEqualTo(3);
        assertThat(spelling.strange()).isFalse();
        assertThat(spelling.unknown().keySet()).containsExactly("and", "zebr", "in", "foxx");
        assertThat(spelling.unknown().get("zebr")).startsWith("zebra");
        // Two letters that change places are one mistake: a word of two replaced letters is farther off.
        assertThat(vocabulary.nearest("nsow", 1)).containsExactly("snow");
        assertThat(EditDistance.between("baot", "Boat")).isEqualTo(1);
        assertThat(EditDistance.between("baot", "ball")).isEqualTo(2);
        assertThat(EditDistance.between("ca", "abc")).isEqualTo(3);
        assertThat(EditDistance.between("", "abc")).isEqualTo(3);
        assertThat(spelling.unknown().get("foxx")).startsWith("fox");
        assertThat(vocabulary.spelling("Füchse im Schnee 雪").unknown()).hasSize(3);
        for (String strange : List.of("xqzzw vvk", "", "3 4 !", "a b c")) {
            assertThat(vocabulary.spelling(strange).strange()).as(strange).isTrue();
        }
        assertThat(vocabulary.spelling("aa bb cc dd ee ff gg").unknown()).hasSize(5);
    }

    @Test
    void survivesTheDisk() throws IOException {
        Path json = directory.resolve("vocabulary.json");
        Vocabulary vocabulary = Vocabulary.select(TOKENS, Rule.standard(), null);
        Vocabulary.select(TOKENS, new Rule(true, true, 0), null).save(json);
        vocabulary.save(json);
        Vocabulary read = Vocabulary.load(json);
        assertThat(read).isEqualTo(vocabulary).hasSameHashCodeAs(vocabulary);
        assertThat(pieces(read)).isEqualTo(pieces(vocabulary));
        assertThat(read.tokenIds()).isEqualTo(vocabulary.tokenIds());
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(json);
        }
    }

    @Test
    void refusesFilesThatAreNone() throws IOException {
        Path json = directory.resolve("vocabulary.json");
        assertThatThrownBy(() -> Vocabulary.load(json))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no vocabulary at");
        Vocabulary.select(TOKENS, Rule.standard(), null).save(json);
        String text = Files.readString(json);

        refuses(json, text.substring(0, text.length() / 2), "cut short");
        refuses(json, "", "format");
        refuses(json, "[1]", "format");
        refuses(json, text.replace("\"format\":1", "\"format\":2"), "format 2");
        refuses(json, text.replace("\"ing\"", "\"king\""), "changed after it was written");
        refuses(json, text.replace("\"ing\",", ""), "4 token_ids and 3 pieces");
        refuses(json, text.replace("[3,4", "[4,3"), "not above the one before");
        refuses(json, text.replace("[3,4", "[3,4.5"), "entry 1");
    }

    @Test
    void refusesADirectoryThatIsMissing() {
        Path json = directory.resolve("absent").resolve("vocabulary.json");
        Vocabulary vocabulary = Vocabulary.select(TOKENS, Rule.standard(), null);
        assertThatThrownBy(() -> vocabulary.save(json))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("not a directory");
    }

    private static void refuses(Path json, String text, String reason) throws IOException {
        Files.writeString(json, text);
        assertThatThrownBy(() -> Vocabulary.load(json))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(reason);
    }

    private static List<String> pieces(Vocabulary vocabulary) {
        List<String> pieces = new ArrayList<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            pieces.add(vocabulary.piece(id));
        }
        return pieces;
    }
}
