package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputsTest {
    @TempDir
    Path directory;

    private Path pictures;

    @BeforeEach
    void someFiles() throws IOException {
        pictures = Files.createDirectories(directory.resolve("pictures"));
        for (String name : List.of("b.png", "a.JPG", "notes.txt", "deep/er/c.webp")) {
            Path file = pictures.resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, "bytes");
        }
    }

    private static List<String> ids(Path data) throws IOException {
        return Inputs.pictures(data).stream().map(Inputs.Picture::id).toList();
    }

    @Test
    void picturesOfADirectoryComeByName() throws IOException {
        Files.createDirectory(pictures.resolve("looks-like-one.png"));
        assertThat(ids(pictures)).containsExactly("a.JPG", "b.png", "deep/er/c.webp");
    }

    @Test
    void linksToDirectoriesAndPicturesAreFollowed() throws IOException {
        Path set = Files.createDirectory(directory.resolve("set"));
        Files.createSymbolicLink(set.resolve("part"), pictures.resolve("deep"));
        Files.createSymbolicLink(set.resolve("one.png"), pictures.resolve("b.png"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), set);
        assertThat(ids(link)).containsExactly("one.png", "part/er/c.webp");
    }

    @Test
    void aLinkThatLeadsNowhereIsNotPassedOver() throws IOException {
        Files.createSymbolicLink(pictures.resolve("gone.png"), directory.resolve("removed.png"));
        assertThat(ids(pictures)).contains("gone.png");
    }

    @Test
    void aCircleOfLinksIsRefused() throws IOException {
        Files.createSymbolicLink(pictures.resolve("deep/round"), pictures);
        assertThatThrownBy(() -> Inputs.pictures(pictures))
                .hasRootCauseInstanceOf(FileSystemLoopException.class)
                .hasMessageContaining("round");
    }
}
