package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
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
                        new SkippedRow(2, "a.png", "no caption"),
                        new SkippedRow(5, "", "no file"),
                        new SkippedRow(6, "c.png", "1 columns, the header has 2"));
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
    void unreadablePicturesAreSkippedCountedAndNamed() throws IOException {
        ImageIO.write(
                new BufferedImage(20, 20, BufferedImage.TYPE_INT_RGB),
                "png",
                directory.resolve("good.png").toFile());
        Files.writeString(directory.resolve("bad.png"), "no picture");
        CaptionDataset data = open("file\tcaption\ngood.png\tone\nbad.png\ttwo\ngone.png\tthree\n");
        List<CaptionDataset.Pair> pairs = data.pairs();
        assertThat(data.picture(pairs.get(0))).isNotNull();
        assertThat(data.picture(pairs.get(1))).isNull();
        assertThat(data.picture(pairs.get(1))).isNull();
        assertThat(data.picture(pairs.get(2))).isNull();
        assertThat(data.skipped()).extracting(SkippedRow::file).containsExactly("bad.png", "gone.png");
        assertThat(data.skipped()).extracting(SkippedRow::line).containsExactly(3, 4);
        assertThat(data.skipped()).allSatisfy(row -> assertThat(row.reason()).isNotBlank());
    }

    private CaptionDataset open(String table) throws IOException {
        Path file = directory.resolve("captions.tsv");
        Files.writeString(file, table);
        return CaptionDataset.open(file);
    }
}
