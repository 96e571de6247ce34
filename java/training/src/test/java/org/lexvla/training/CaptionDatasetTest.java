package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CaptionDatasetTest {
    @TempDir
    Path directory;

    @Test
    void columnsInAnyOrderAmongOthers() throws IOException {
        CaptionDataset data =
                open("\uFEFFid\tcaption\tfile\n1\ta red boat\ta.png\n2\ttwo boats\tsub/b.png\n3\tagain\ta.png\n");
        assertThat(data.captions()).containsExactly("a red boat", "two boats", "again");
        assertThat(data.pairs().get(1).file()).isEqualTo(directory.resolve("sub/b.png"));
        assertThat(data.files()).containsExactly(directory.resolve("a.png"), directory.resolve("sub/b.png"));
        assertThat(data.skipped()).isEmpty();
    }

    @Test
    void rowsWithoutCaptionOrFileAreSkippedAndNamed() throws IOException {
        CaptionDataset data = open("file\tcaption\na.png\t \n\nb.png\tfine\n\tlost\nc.png\n");
        assertThat(data.captions()).containsExactly("fine");
        assertThat(data.skipped())
                .containsExactly(
                        new SkippedSample("captions.tsv:2", "a.png", "no caption"),
                        new SkippedSample("captions.tsv:5", "", "no file"),
                        new SkippedSample("captions.tsv:6", "c.png", "1 columns, the header has 2"));
    }

    @Test
    void missingColumnsNameWhatWasFound() {
        assertThatThrownBy(() -> open("image\tcaption\nx\ty\n"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no column \"file\"")
                .hasMessageContaining("[image, caption]");
        assertThatThrownBy(() -> open("file,caption\nx,y\n")).hasMessageContaining("[file,caption]");
        assertThatThrownBy(() -> open("")).hasMessageContaining("empty");
        assertThatThrownBy(() -> open("file\tcaption\n")).hasMessageContaining("no row");
        assertThatThrownBy(() -> CaptionDataset.open(directory.resolve("none.tsv")))
                .hasMessageContaining("none.tsv");
    }

    @Test
    void otherEncodingsAreRefused() throws IOException {
        Path table = directory.resolve("latin.tsv");
        Files.write(table, "file\tcaption\na.png\tcaf\u00e9\n".getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> CaptionDataset.open(table)).hasMessageContaining("UTF-8");
    }

    @Test
    void samplesAreCountedByLinesWithThoseThatCannotBeUsed() throws IOException {
        CaptionDataset data = open("file\tcaption\na.png\t \n\nb.png\tfine\n\tlost\nc.png\tgood\n");
        assertThat(read(data, 0)).containsExactly("1 no caption", "3 fine", "4 no file", "5 good");
        assertThat(read(data, 4)).containsExactly("4 no file", "5 good");
        assertThat(read(data, 6)).isEmpty();
        assertThat(data.place(3)).isEqualTo("captions.tsv:4");
    }

    private static List<String> read(CaptionDataset data, long from) {
        CaptionSource.Reader reader = data.open(from);
        List<String> samples = new ArrayList<>();
        try {
            for (Sample sample; (sample = reader.next()) != null; ) {
                samples.add(sample.index() + " " + (sample.flaw() == null ? sample.caption() : sample.flaw()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return samples;
    }

    private CaptionDataset open(String table) throws IOException {
        Path file = directory.resolve("captions.tsv");
        Files.writeString(file, table);
        return CaptionDataset.open(file);
    }
}
