package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CaptionedPicturesTest {
    /** As in dataset_coco.json: other keys around those that are read, one picture of another split. */
    private static final String KARPATHY = """
            {"images": [
              {"filepath": "val2014", "sentids": [1, 2], "filename": "COCO_val2014_000000391895.jpg", "imgid": 0,
               "split": "test", "sentences": [
                 {"tokens": ["a", "man"], "raw": "A man with a  red helmet.\\n", "imgid": 0, "sentid": 1},
                 {"tokens": ["a", "bike"], "raw": "A bike.", "imgid": 0, "sentid": 2}], "cocoid": 391895},
              {"filepath": "train2014", "filename": "COCO_train2014_000000000009.jpg", "split": "restval",
               "sentences": [{"raw": "Food."}], "cocoid": 9},
              {"filepath": "val2014", "filename": "b.jpg", "split": "test", "sentences": [
                 {"raw": "one"}, {"raw": "two"}, {"raw": "three"}, {"raw": "four"}, {"raw": "five"}, {"raw": "six"}]}
            ], "dataset": "coco"}
            """;

    /** As in captions_val2017.json, but with the annotations first: nothing in JSON gives the order. */
    private static final String COCO = """
            {"info": {"year": 2017}, "annotations": [
               {"image_id": 37777, "id": 1, "caption": "Second."},
               {"image_id": 397133, "id": 2, "caption": "First."},
               {"image_id": 397133, "id": 3, "caption": "Also first."},
               {"image_id": 397133, "id": 4, "caption": "  "}],
             "licenses": [{"id": 1}], "images": [
               {"license": 1, "file_name": "000000397133.jpg", "height": 427, "id": 397133},
               {"license": 1, "file_name": "000000037777.jpg", "height": 230, "id": 37777}]}
            """;

    @TempDir
    Path directory;

    @Test
    void readsASplitOfKarpathy() throws IOException {
        Path json = write(KARPATHY);
        Files.createDirectories(directory.resolve("val2014"));
        Files.writeString(directory.resolve("val2014/COCO_val2014_000000391895.jpg"), "");
        CaptionedPictures test = CaptionedPictures.read(json, directory, null);
        assertThat(test.pictures())
                .extracting(CaptionedPictures.Picture::id)
                .containsExactly("val2014/COCO_val2014_000000391895.jpg", "val2014/b.jpg");
        assertThat(test.captions()).hasSize(8).startsWith(new CaptionedPictures.Caption(0, "A man with a red helmet."));
        assertThat(test.missing()).containsExactly(test.pictures().get(1));
        CaptionedPictures published = test.withCaptions(CaptionedPictures.PUBLISHED_CAPTIONS);
        assertThat(published.captions()).hasSize(7).doesNotContain(new CaptionedPictures.Caption(1, "six"));
        assertThat(CaptionedPictures.read(json, directory, "restval").captions())
                .containsExactly(new CaptionedPictures.Caption(0, "Food."));
    }

    @Test
    void picturesMayAlsoLieTogether() throws IOException {
        Files.writeString(directory.resolve("b.jpg"), "");
        CaptionedPictures test = CaptionedPictures.read(write(KARPATHY), directory, "test");
        assertThat(test.pictures().get(1).file()).isEqualTo(directory.resolve("b.jpg"));
        assertThat(test.missing()).hasSize(1);
    }

    @Test
    void readsCocoInAnyOrder() throws IOException {
        CaptionedPictures all = CaptionedPictures.read(write(COCO), directory, null);
        assertThat(all.pictures())
                .extracting(CaptionedPictures.Picture::id)
                .containsExactly("000000397133.jpg", "000000037777.jpg");
        assertThat(all.captions())
                .containsExactly(
                        new CaptionedPictures.Caption(0, "First."),
                        new CaptionedPictures.Caption(0, "Also first."),
                        new CaptionedPictures.Caption(1, "Second."));
        assertThat(all.missing()).hasSize(2);
    }

    @Test
    void badInputIsNamed() throws IOException {
        assertThatThrownBy(() -> CaptionedPictures.read(write(KARPATHY), directory, "dev"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no pictures of the split dev, only {restval=1, test=2}");
        assertThatThrownBy(() -> CaptionedPictures.read(write(COCO), directory, "test"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has no splits");
        assertThatThrownBy(() -> CaptionedPictures.read(directory.resolve("none.json"), directory, null))
                .isInstanceOf(NoSuchFileException.class);
        assertRefused("perhaps cut short", KARPATHY.substring(0, KARPATHY.length() / 2));
        assertRefused("does not begin with a JSON object", "[1, 2]");
        assertRefused("0 pictures", "{\"images\": []}");
        assertRefused("element 1 of \"images\"", "{\"images\": [{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 2}]}");
        assertThatThrownBy(() -> new CaptionedPictures(List.of(), List.of(new CaptionedPictures.Caption(0, "x"))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("belongs to picture 0 of 0");
    }

    private void assertRefused(String message, String contents) throws IOException {
        Path json = write(contents);
        assertThatThrownBy(() -> CaptionedPictures.read(json, directory, null))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message)
                .hasMessageContaining("dataset.json");
    }

    private Path write(String contents) throws IOException {
        return Files.writeString(directory.resolve("dataset.json"), contents);
    }
}
