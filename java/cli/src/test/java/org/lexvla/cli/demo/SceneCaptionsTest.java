package org.lexvla.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class SceneCaptionsTest {
    @Test
    void aCaptionSaysOnlyWhatIsTrueAndTheFirstSaysAllOfIt(RandomSource random) {
        for (Scene scene : scenes(random, 400)) {
            for (int i = 0; i < scene.captions().size(); i++) {
                String caption = scene.captions().get(i);
                Set<WordGroup> said = new HashSet<>();
                for (String word : SceneWords.split(caption)) {
                    SceneWords.group(word).ifPresent(said::add);
                    assertThat(SceneWords.group(word).isPresent())
                            .as("\"%s\" of \"%s\" is content or filler, not both", word, caption)
                            .isNotEqualTo(SceneWords.fillerWords().contains(word));
                }
                assertThat(scene.truth()).as(caption).containsAll(said);
                if (i == 0) {
                    assertThat(said).as(caption).containsExactlyInAnyOrderElementsOf(scene.truth());
                }
                for (Scene.Party party : scene.parties()) {
                    assertThat(said).contains(party.kind().group());
                }
            }
        }
    }

    @Test
    void captionsVary(RandomSource random) {
        int withoutColour = 0;
        int withoutBackground = 0;
        int withFiller = 0;
        int synonyms = 0;
        int captions = 0;
        Set<String> relations = new HashSet<>();
        Set<String> words = new HashSet<>();
        for (Scene scene : scenes(random, 1000)) {
            for (String caption : scene.captions().subList(1, scene.captions().size())) {
                captions++;
                List<String> content = SceneWords.contentWords(caption);
                words.addAll(SceneWords.split(caption));
                withoutColour += content.stream().noneMatch(w -> role(w) == WordGroup.Role.COLOUR) ? 1 : 0;
                withoutBackground += content.stream().noneMatch(w -> role(w) == WordGroup.Role.BACKGROUND) ? 1 : 0;
                withFiller += caption.contains("photo") || caption.contains("nice") ? 1 : 0;
                synonyms += content.contains("ship") || content.contains("ocean") ? 1 : 0;
                for (String relation : List.of("left of", "above", "next to", " and ")) {
                    if (caption.contains(relation)) {
                        relations.add(relation);
                    }
                }
            }
        }
        assertThat(withoutColour / (double) captions).isBetween(0.10, 0.20);
        assertThat(withoutBackground / (double) captions).isBetween(0.14, 0.26);
        assertThat(withFiller).isGreaterThan(captions / 20);
        assertThat(synonyms).isGreaterThan(captions / 200);
        assertThat(relations).hasSize(4);
        for (WordGroup group : SceneWords.groups()) {
            assertThat(words).as("every synonym is used").containsAll(group.words());
        }
        assertThat(words).containsAll(SceneWords.fillerWords());
    }

    @Test
    void truthCountsSynonymsOnce() {
        Scene.Box box = new Scene.Box(0, 0, 40);
        Scene scene = new Scene(
                "x",
                112,
                1,
                Background.MEADOW,
                List.of(
                        new Scene.Party(Kind.BOAT, Colour.RED, List.of(box, box)),
                        new Scene.Party(Kind.TREE, Colour.RED, List.of(box))),
                Relation.NEXT_TO,
                List.of("two red ships next to a red tree in the meadow"));
        assertThat(scene.truth().stream().map(WordGroup::canonical))
                .containsExactly("boat", "tree", "red", "two", "meadow");
        assertThat(SceneWords.contentWords(scene.captions().get(0)))
                .containsExactly("two", "red", "ships", "red", "tree", "meadow");
        assertThat(SceneWords.canonicalWords()).containsEntry("ships", "boat").containsEntry("grass", "meadow");
    }

    private static List<Scene> scenes(RandomSource random, int count) {
        return new SceneGenerator(random.nextLong(), 112).generate(SceneGenerator.Split.TRAIN, count, 3);
    }

    private static WordGroup.Role role(String word) {
        return SceneWords.group(word).orElseThrow().role();
    }
}
